#include "migration/dovecot_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kTls = "ssl_cert = </etc/ssl/mail.pem\nssl_key = </etc/ssl/mail.key\n";

// The configuration that the import gives, read as Headgate reads it.
config::Config loaded(const Import& imported) {
  auto config = config::load_text("imported.yaml", imported.yaml, config::Files::kIgnore);
  if (!config) {
    ADD_FAILURE() << config.error().front().to_string() << "\n" << imported.yaml;
    return {};
  }
  return *std::move(config);
}

class DovecotImport : public testing::Test {
 protected:
  config::Config import(const std::string& text) {
    auto imported = import_dovecot(text, "/etc/dovecot", [this](const std::string& path) {
      const auto known = files_.find(path);
      return known != files_.end() ? std::optional(known->second) : std::nullopt;
    });
    if (!imported) {
      ADD_FAILURE() << imported.error();
      return {};
    }
    notes_ = imported->notes;
    return loaded(*imported);
  }

  std::map<std::string, std::string> files_;
  std::vector<std::string> notes_;
};

TEST_F(DovecotImport, ADirectorsServersBecomePoolsOneForEachTag) {
  const config::Config config = import(R"(ssl = no
director_mail_servers = 10.0.0.254-10.0.1.1 mail4.example.org 10.9.0.1:1143 10.1.0.1@west [2001:db8::1]@west
director_servers = 10.5.0.1 10.5.0.2
director_username_hash = %Ld
director_user_expire = 20 min
passdb {
  args = proxy=y nopassword=y starttls=any-cert proxy_timeout=20
  driver = static
}
)");
  ASSERT_EQ(config.pools.size(), 2U);
  const config::Pool& main = config.pools[0];
  EXPECT_EQ(main.name, "main");
  ASSERT_EQ(main.backends.size(), 6U);
  EXPECT_EQ(main.backends[0].address.to_string(), "10.0.0.254:143");
  EXPECT_EQ(main.backends[3].address.to_string(), "10.0.1.1:143");
  EXPECT_EQ(main.backends[4].address.to_string(), "mail4.example.org:143");
  EXPECT_EQ(main.backends[5].address.to_string(), "10.9.0.1:1143");
  EXPECT_EQ(main.tls, config::TlsMode::kStartTls);
  EXPECT_FALSE(main.verify);
  EXPECT_EQ(main.hash, config::HashInput::kDomain);
  EXPECT_EQ(main.login_timeout, 20s);
  EXPECT_EQ(config.pools[1].name, "west");
  EXPECT_EQ(config.pools[1].backends.size(), 2U);
  EXPECT_EQ(config.users[0].kind, config::SourceKind::kBackend);
  EXPECT_THAT(notes_, Contains(HasSubstr("line 2: director_mail_servers: the director's hash")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 2: director_mail_servers: each tag is a pool")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 3: director_servers: ")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 5: director_user_expire: not needed")));
}

TEST_F(DovecotImport, WhatADirectorHashesAndHeadgateCannotIsNamed) {
  import("ssl = no\ndirector_mail_servers = 10.0.0.1\ndirector_username_hash = %Ln\n");
  EXPECT_THAT(notes_, Contains(HasSubstr("line 3: director_username_hash: alice and alice@exam")));
  import("ssl = no\ndirector_mail_servers = 10.0.0.1\ndirector_username_hash = %5u\n");
  EXPECT_THAT(notes_, Contains(HasSubstr("line 3: director_username_hash: left out")));
}

TEST_F(DovecotImport, WrongServersAreNamedAndTheOthersKept) {
  const config::Config config = import(
      "ssl = no\ndirector_mail_servers = 10.0.0.9-10.0.0.1 10.0.0.0-10.9.0.0 10.0.0.2@a/b "
      "mail-1\n");
  ASSERT_EQ(config.pools[0].backends.size(), 1U);
  EXPECT_EQ(config.pools[0].backends[0].address.to_string(), "mail-1:143");
  for (const char* word : {"10.0.0.9-10.0.0.1 is left out", "10.0.0.0-10.9.0.0 is left out",
                           "10.0.0.2@a/b is left out"}) {
    EXPECT_THAT(notes_, Contains(HasSubstr(word)));
  }
}

TEST_F(DovecotImport, ListenersFollowServicesAndTheirDefaults) {
  const config::Config config = import(std::string(kTls) + R"(
listen = 192.0.2.1, ::
haproxy_trusted_networks = 10.0.0.0/8 nonsense
haproxy_timeout = 5 s
service imap-login {
  service_count = 0
  inet_listener imap {
    port = 1143
    haproxy = yes
  }
  inet_listener other {
    port = 144
    address = 127.0.0.1
  }
  inet_listener off {
    port = 0
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 110
  }
}
)");
  ASSERT_EQ(config.listeners.size(), 5U);
  EXPECT_EQ(config.listeners[0].address.to_string(), "192.0.2.1:1143");
  EXPECT_EQ(config.listeners[0].tls, config::TlsMode::kStartTls);
  ASSERT_TRUE(config.listeners[0].proxy_protocol);
  EXPECT_EQ(config.listeners[0].proxy_protocol->timeout, 5s);
  EXPECT_EQ(config.listeners[0].proxy_protocol->trusted.size(), 1U);
  EXPECT_EQ(config.listeners[1].address.to_string(), "[::]:1143");
  EXPECT_EQ(config.listeners[1].name, "imap_2");
  EXPECT_EQ(config.listeners[2].address.to_string(), "192.0.2.1:993");
  EXPECT_EQ(config.listeners[2].tls, config::TlsMode::kImplicit);
  EXPECT_FALSE(config.listeners[2].proxy_protocol);
  EXPECT_EQ(config.listeners[4].address.to_string(), "127.0.0.1:144");
  EXPECT_EQ(config.tls.certificates[0].certificate, "/etc/ssl/mail.pem");
  EXPECT_THAT(notes_, Contains(HasSubstr("nonsense is left out")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 8: service_count: Headgate is one process")));
  EXPECT_THAT(notes_, Contains(HasSubstr("service pop3-login: a process of Dovecot's, left out")));
}

TEST_F(DovecotImport, TlsLoginAndLimitsAreTakenOver) {
  const config::Config config = import(std::string(kTls) + R"(
ssl_min_protocol = TLSv1.3
ssl_cipher_list = HIGH:!aNULL
ssl_curve_list = X25519:P-256
ssl_dh = </etc/dh.pem
ssl_options = no_ticket no_compression
auth_failure_delay = 3 secs
auth_mechanisms = plain cram-md5
disable_plaintext_auth = no
login_greeting = Mail is here.
login_trusted_networks = 10.0.0.0/8, 192.0.2.7
mail_max_userip_connections = 10
mail_location = maildir:~/Maildir
protocol imap {
  mail_max_userip_connections = 20
}
protocol pop3 {
  x = y
}
whatever = 1
)");
  EXPECT_EQ(config.tls.minimum_version, "1.3");
  EXPECT_EQ(config.tls.ciphers, "HIGH:!aNULL");
  EXPECT_EQ(config.tls.groups, "X25519:P-256");
  EXPECT_EQ(config.tls.session_tickets, 0U);
  EXPECT_EQ(config.login.failure_delay, 3s);
  EXPECT_EQ(config.login.greeting, "Mail is here.");
  EXPECT_EQ(config.guessing.exempt.size(), 4U);
  EXPECT_EQ(config.limits.sessions_per_user_and_network, 20U);
  EXPECT_THAT(notes_, Contains(HasSubstr("line 7: ssl_dh: no key exchange over finite fields")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 10: auth_mechanisms: cram-md5 is offered where")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 11: disable_plaintext_auth: logins before")));
  EXPECT_THAT(notes_, Contains("line 15: mail_location: for the mail store: it stays with the "
                               "backends"));
  EXPECT_THAT(notes_, Contains("line 19: protocol pop3: Headgate speaks IMAP"));
  EXPECT_THAT(notes_, Contains("line 22: whatever: unknown, left out"));
}

TEST_F(DovecotImport, AHiddenKeyIsAskedFor) {
  const config::Config config =
      import("ssl_cert = </etc/mail.pem\nssl_key = # hidden, use -P to show it\n");
  EXPECT_EQ(config.tls.certificates[0].key, "/etc/dovecot/hidden-by-doveconf");
  EXPECT_THAT(notes_, Contains(HasSubstr("line 2: ssl_key: doveconf hides it: import what")));
}

TEST_F(DovecotImport, AProxyWithAHostSendsEverybodyThere) {
  const config::Config config = import(R"(ssl = no
ssl_client_ca_file = /etc/ca.pem
passdb {
  driver = static
  args = proxy=y host=mail.example.org ssl=yes nopassword=y destuser=%n@example.net source_ip=1.2.3.4 whatever=1
}
)");
  EXPECT_EQ(config.pools[0].backends[0].address.to_string(), "mail.example.org:993");
  EXPECT_EQ(config.pools[0].tls, config::TlsMode::kImplicit);
  EXPECT_TRUE(config.pools[0].verify);
  EXPECT_EQ(config.pools[0].ca, "/etc/ca.pem");
  ASSERT_EQ(config.users[0].kind, config::SourceKind::kMap);
  EXPECT_EQ(config.users[0].map[0].rewrite, "{local_part}@example.net");
  EXPECT_THAT(notes_, Contains(HasSubstr("line 5: source_ip: left out")));
  EXPECT_THAT(notes_, Contains("line 5: whatever: this field is left out"));
}

TEST_F(DovecotImport, AMasterUserIsTakenOverWhereASourceChecksAlone) {
  const std::string destination = R"(ssl = no
passdb {
  driver = static
  args = proxy=y nopassword=y host=10.0.0.1 port=10143 master=proxy pass=hush
}
)";
  const config::Config unchecked = import(destination);
  EXPECT_FALSE(unchecked.pools[0].master);
  EXPECT_THAT(notes_, Contains(HasSubstr("line 4: pass: left out, and so is master")));
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
  const config::Config checked = import(R"(passdb {
  driver = passwd-file
  args = scheme=SSHA username_format=%u /etc/dovecot/users
  result_success = continue-ok
}
)" + destination);
  ASSERT_EQ(checked.users.size(), 1U);
  EXPECT_EQ(checked.users[0].path, "/etc/dovecot/users");
  ASSERT_TRUE(checked.pools[0].master);
  EXPECT_EQ(checked.pools[0].master->user, "proxy");
  EXPECT_EQ(checked.pools[0].master->password.view(), "hush");
  EXPECT_EQ(checked.pools[0].backends[0].address.to_string(), "10.0.0.1:10143");
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
}

TEST_F(DovecotImport, SqlPassdbsBringTheirConnectionAndQuery) {
  files_["/etc/dovecot/dovecot-sql.conf.ext"] = R"(driver = pgsql
connect = host=db.example.net dbname=mails user=dovecot password=hush connect_timeout=3
default_pass_scheme = SHA256
password_query = SELECT password FROM users WHERE userid = '%n' AND domain = '%Ld'
user_query = SELECT home FROM users
)";
  const config::Config config = import(R"(ssl = no
passdb {
  driver = sql
  args = /etc/dovecot/dovecot-sql.conf.ext
}
)");
  ASSERT_TRUE(config.users[0].sql);
  const config::Sql& sql = *config.users[0].sql;
  EXPECT_EQ(sql.driver, config::SqlDriver::kPostgresql);
  EXPECT_EQ(sql.host, "db.example.net");
  EXPECT_EQ(sql.database, "mails");
  EXPECT_EQ(sql.password.view(), "hush");
  EXPECT_EQ(sql.query,
            "SELECT password FROM users WHERE userid = :local_part AND domain = lower(:domain)");
  EXPECT_THAT(notes_, Contains(HasSubstr("user_query of that file is left out")));
  EXPECT_THAT(notes_, Contains(HasSubstr("connect_timeout of the connection is left out")));
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
}

TEST_F(DovecotImport, TheColumnsOfAProxysQueryBecomeOurs) {
  files_["/sql"] =
      "driver = mysql\nconnect = host=db dbname=mail\n"
      "password_query = SELECT password, host, destuser AS `user_there`, NULL AS password2, \\\n"
      "  'Y' AS proxy, 'any-cert' AS ssl, 'hush' AS pass, 'boss' AS master, allow_nets, \\\n"
      "  CONCAT(name, '@x') AS destuser FROM users u WHERE u.name = '%n' AND domain = '%d'\n";
  const config::Config config = import("ssl = no\npassdb {\n  driver = sql\n  args = /sql\n}\n");
  EXPECT_EQ(config.users[0].sql->query,
            "SELECT password, CONCAT(name, '@x') AS user, CONCAT(host, ':993') AS "
            "backend FROM users u WHERE u.name = :local_part AND domain = :domain");
  EXPECT_TRUE(config.users[0].sql->check_password);
  EXPECT_EQ(config.pools[0].tls, config::TlsMode::kImplicit);
  EXPECT_FALSE(config.pools[0].verify) << "any-cert for all users";
  ASSERT_TRUE(config.pools[0].master);
  EXPECT_EQ(config.pools[0].master->user, "boss");
  EXPECT_THAT(notes_, Contains(HasSubstr("left out: user_there, allow_nets. By user")));
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
}

TEST_F(DovecotImport, WhereThePassdbChecksNothingTheBackendDoes) {
  files_["/sql"] =
      "driver = pgsql\nconnect = host=db1 host=db2 dbname=mail\n"
      "password_query = SELECT NULL AS password, 'Y' AS nopassword, host, 'Y' AS proxy, 'x' AS "
      "pass "
      "FROM users WHERE name = '%u'\n";
  const config::Config config = import("ssl = no\npassdb {\n  driver = sql\n  args = /sql\n}\n");
  EXPECT_EQ(config.users[0].sql->query,
            "SELECT host || ':143' AS backend FROM users WHERE name = :user");
  EXPECT_FALSE(config.users[0].sql->check_password);
  EXPECT_THAT(config.users[0].sql->hosts,
              ElementsAre(config::SqlHost{"db1"}, config::SqlHost{"db2"}));
  EXPECT_FALSE(config.pools[0].master);
  EXPECT_THAT(notes_, Contains(HasSubstr("pass: left out, and so is master")));
  EXPECT_THAT(notes_, Contains(HasSubstr("only the backend checks the password")));
}

TEST_F(DovecotImport, AQueryThatTheSourceWouldRefuseIsNotTakenOver) {
  for (const char* condition : {"a = 1", "domain = '%d'", "name = '%n' AND a = \"it's\"",
                                "name = '%n' AND t = \"12:30\"", "name = '%n' AND t = :other"}) {
    files_["/sql"] = std::string("driver = mysql\npassword_query = SELECT password FROM u WHERE ") +
                     condition + "\n";
    const config::Config config = import("ssl = no\npassdb {\n  driver = sql\n  args = /sql\n}\n");
    EXPECT_EQ(config.users[0].sql->query, "SELECT password FROM users WHERE name = :user")
        << condition;
    EXPECT_THAT(notes_, Contains(HasSubstr("expected :user or :local_part in it"))) << condition;
  }
  files_["/sql"] =
      "driver = pgsql\npassword_query = SELECT password FROM u WHERE n = '%n' AND t = '1:2'::x\n";
  const config::Config config = import("ssl = no\npassdb {\n  driver = sql\n  args = /sql\n}\n");
  EXPECT_EQ(config.users[0].sql->query,
            "SELECT password FROM u WHERE n = :local_part AND t = '1:2'::x");
}

TEST_F(DovecotImport, VariablesStandForTheirSettings) {
  const config::Config config = import(
      "ssl = no\nmine = 7 s\nlogin_proxy_timeout = $mine\nlogin_greeting = $ENV:GREETING\n"
      "passdb {\n  driver = static\n  args = proxy=y host=10.0.0.1\n}\n");
  EXPECT_EQ(config.pools[0].login_timeout, 7s);
  EXPECT_THAT(notes_, Contains(HasSubstr("line 4: $ENV:GREETING stays as it is: Dovecot's")));
}

TEST_F(DovecotImport, AQueryThatCannotBeTranslatedIsNamed) {
  files_["/sql"] = "driver = sqlite\nconnect = /var/users.db\npassword_query = SELECT '%u-x', %r\n";
  const config::Config config = import("ssl = no\npassdb sql {\n  args = /sql\n}\n");
  EXPECT_EQ(config.users[0].sql->path, "/var/users.db");
  EXPECT_THAT(notes_, Contains(HasSubstr("password_query is left out, write it anew")));
}

TEST_F(DovecotImport, LdapPassdbsBringTheirSearch) {
  files_["/etc/dovecot/ldap.conf"] = R"(hosts = ldap1 ldap2:1389
tls = yes
dn = cn=dovecot
dnpass = hush
base = ou=people,dc=example
scope = onelevel
pass_attrs = uid=user,userPassword=password,mailHost=host
pass_filter = (&(objectClass=person)(mail=%u)(uid=%n))
)";
  const config::Config config = import(R"(ssl = no
passdb {
  driver = ldap
  args = ldap.conf
}
)");
  ASSERT_TRUE(config.users[0].ldap);
  const config::Ldap& ldap = *config.users[0].ldap;
  EXPECT_THAT(ldap.servers, testing::ElementsAre(HasSubstr("ldap1"), HasSubstr("ldap2:1389")));
  EXPECT_TRUE(ldap.starttls);
  EXPECT_EQ(ldap.bind_dn, "cn=dovecot");
  EXPECT_EQ(ldap.bind_password.view(), "hush");
  EXPECT_EQ(ldap.scope, config::LdapScope::kOne);
  EXPECT_EQ(ldap.passwords, config::LdapPasswords::kFetch);
  EXPECT_EQ(ldap.user_attribute, "uid");
  EXPECT_EQ(ldap.backend_attribute, "mailHost");
  EXPECT_EQ(ldap.filter, "(&(objectClass=person)(mail={user})(uid={local_part}))");
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
}

TEST_F(DovecotImport, SqlPassdbsOf24StandInTheConfigurationItself) {
  const config::Config config = import(R"(dovecot_config_version = 2.4.1
ssl = no
sql_driver = pgsql
pgsql db1.example {
  parameters {
    user = dovecot
    password = "hush hush"
    dbname = mails
    connect_timeout = 5
  }
}
passdb sql {
  default_password_scheme = SHA256
  use_worker = yes
  query = SELECT userid AS user, password, host, 'y' AS starttls FROM users \
    WHERE userid = '%{user | username | lower}' AND domain = '%{user|domain}'
}
)");
  ASSERT_TRUE(config.users[0].sql);
  const config::Sql& sql = *config.users[0].sql;
  EXPECT_EQ(sql.driver, config::SqlDriver::kPostgresql);
  EXPECT_EQ(sql.host, "db1.example");
  EXPECT_EQ(sql.database, "mails");
  EXPECT_EQ(sql.user, "dovecot");
  EXPECT_EQ(sql.password.view(), "hush hush");
  EXPECT_EQ(
      sql.query,
      "SELECT password, userid AS \"user\", host || ':143' AS backend FROM users WHERE userid "
      "= lower(:local_part) AND domain = :domain");
  EXPECT_EQ(config.pools[0].tls, config::TlsMode::kStartTls);
  EXPECT_THAT(notes_, Contains(HasSubstr("default_password_scheme: hashes need their scheme")));
  EXPECT_THAT(notes_, Contains(HasSubstr("connect_timeout of the connection is left out")));
  EXPECT_THAT(notes_, Contains(HasSubstr("use_worker: left out")));
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
}

TEST_F(DovecotImport, OtherDatabasesOf24HaveTheirOwnBlocks) {
  const config::Config mysql = import(R"(ssl = no
passdb db1 {
  driver = sql
  sql_driver = mysql
  mysql /run/mysqld/mysqld.sock {
    user = u
    dbname = d
    password = hush
  }
  mysql other {
    user = u
  }
  passdb_sql_query = SELECT password FROM users WHERE name = '%{user}'
}
)");
  ASSERT_TRUE(mysql.users[0].sql);
  EXPECT_EQ(mysql.users[0].sql->driver, config::SqlDriver::kMysql);
  EXPECT_THAT(mysql.users[0].sql->hosts,
              ElementsAre(config::SqlHost{"/run/mysqld/mysqld.sock"}, config::SqlHost{"other"}));
  EXPECT_EQ(mysql.users[0].sql->database, "d");
  EXPECT_EQ(mysql.users[0].sql->query, "SELECT password FROM users WHERE name = :user");
  EXPECT_THAT(notes_, Contains(HasSubstr("mysql other: its settings are left out")));
  const config::Config sqlite = import(R"(ssl = no
sql_driver = sqlite
sqlite_path = users.sqlite
passdb sql {
  query = SELECT password FROM users WHERE name = '%{user | lower}'
}
)");
  ASSERT_TRUE(sqlite.users[0].sql);
  EXPECT_EQ(sqlite.users[0].sql->driver, config::SqlDriver::kSqlite);
  EXPECT_THAT(sqlite.users[0].sql->path, HasSubstr("/etc/dovecot/users.sqlite"));
  EXPECT_EQ(sqlite.users[0].sql->query, "SELECT password FROM users WHERE name = lower(:user)");
}

TEST_F(DovecotImport, LdapPassdbsOf24StandInTheConfigurationItself) {
  const config::Config config = import(R"(ssl = no
ldap_uris = ldaps://ldap1 ldaps://ldap2
ldap_auth_dn = cn=dovecot
ldap_auth_dn_password = hush
ldap_base = ou=people,dc=example
ssl_client_ca_file = /etc/ssl/ca.pem
passdb ldap {
  bind = yes
  ldap_connection_group = logins
  filter = (&(objectClass=person)(mail=%{user})(uid=%{user | username | lower}))
  fields {
    user = %{ldap:uid}
    host = %{ldap:mailHost}
    proxy = y
    proxy_timeout = 20s
    source = %{ldap:a} %{ldap:b}
  }
}
)");
  ASSERT_TRUE(config.users[0].ldap);
  const config::Ldap& ldap = *config.users[0].ldap;
  EXPECT_THAT(ldap.servers, testing::ElementsAre(HasSubstr("ldap1"), HasSubstr("ldap2")));
  EXPECT_EQ(ldap.bind_dn, "cn=dovecot");
  EXPECT_EQ(ldap.bind_password.view(), "hush");
  EXPECT_EQ(ldap.base, "ou=people,dc=example");
  EXPECT_EQ(ldap.ca, "/etc/ssl/ca.pem");
  EXPECT_EQ(ldap.passwords, config::LdapPasswords::kBind);
  EXPECT_EQ(ldap.user_attribute, "uid");
  EXPECT_EQ(ldap.backend_attribute, "mailHost");
  EXPECT_EQ(ldap.filter, "(&(objectClass=person)(mail={user})(uid={local_part}))");
  EXPECT_EQ(config.pools[0].login_timeout, 20s);
  EXPECT_THAT(notes_, Contains(HasSubstr("ldap_connection_group: left out")));
  EXPECT_THAT(notes_, Contains(HasSubstr("source: this field is left out")));
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
}

TEST_F(DovecotImport, OtherPassdbsOf24AreWhatTheirBlocksSay) {
  const config::Config config = import(R"(ssl = no
passdb passwd-file {
  passwd_file_path = users
  default_password_scheme = plain
  result_success = continue
}
passdb static {
  fields {
    proxy = yes
    host = 10.0.0.7
    port = 1143
    master = boss
    pass = hush
  }
}
)");
  ASSERT_EQ(config.users.size(), 1U);
  EXPECT_EQ(config.users[0].kind, config::SourceKind::kPasswdFile);
  EXPECT_THAT(config.users[0].path, HasSubstr("/etc/dovecot/users"));
  EXPECT_EQ(config.pools[0].backends[0].address.to_string(), "10.0.0.7:1143");
  ASSERT_TRUE(config.pools[0].master);
  EXPECT_EQ(config.pools[0].master->user, "boss");
  EXPECT_THAT(notes_, Contains(HasSubstr("scheme: hashes need their scheme")));

  const config::Config imap = import(R"(ssl = no
passdb imap {
  imapc_host = 10.0.0.8
  imapc_port = 993
  imapc_ssl = imaps
}
)");
  EXPECT_EQ(imap.users[0].kind, config::SourceKind::kBackend);
  EXPECT_EQ(imap.pools[0].backends[0].address.to_string(), "10.0.0.8:993");
  EXPECT_EQ(imap.pools[0].tls, config::TlsMode::kImplicit);
}

TEST_F(DovecotImport, PassdbsThatHaveNoSourceAreNamed) {
  const config::Config config = import(R"(ssl = no
passdb {
  driver = pam
}
passdb {
  driver = passwd-file
  args = /etc/denied
  deny = yes
}
!include auth-sql.conf.ext
)");
  EXPECT_EQ(config.users[0].kind, config::SourceKind::kBackend);
  EXPECT_THAT(notes_, Contains(HasSubstr("line 2: passdb pam: left out")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 8: deny: this passdb is left out")));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 10: !include: not read")));
  EXPECT_THAT(notes_, Contains(HasSubstr("put the addresses of your mail servers in the place")));
}

TEST_F(DovecotImport, WithoutAListenerForImapThereIsNothingToImport) {
  const auto none = [](const std::string&) { return std::optional<std::string>(); };
  for (const char* text : {"", "protocols = pop3\nssl = no\n", "a {\n"}) {
    const auto imported = import_dovecot(text, "/", none);
    ASSERT_FALSE(imported) << text;
    EXPECT_THAT(imported.error(), HasSubstr("1: expected "));
  }
}

}  // namespace
}  // namespace headgate::migration
