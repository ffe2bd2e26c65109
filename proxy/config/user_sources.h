#pragma once

#include "config/config.h"
#include "config/type.h"

// What one entry of `users:` may hold.
namespace headgate::config {

Type<UserSource> source_type();
Type<Sql> sql_type();
Type<Ldap> ldap_type();
Type<Oauth> oauth_type();
Type<DovecotAuth> dovecot_auth_type();
Type<HttpHeader> http_header_type();
Type<CertificateRule> certificate_rule_type();
// Of a listener.
Type<ClientCertificates> client_certificates_type();

}  // namespace headgate::config
