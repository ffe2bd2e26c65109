#include "net/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/c_ptr.h"

namespace headgate::net {
namespace {

constexpr int kFewestRsaBits = 2048;
constexpr int kMostRsaBits = 8192;           // each doubling makes a check four times as dear
constexpr std::size_t kLongestExponent = 8;  // bytes; likewise
constexpr std::size_t kEd25519KeySize = 32;

using Number = CPtr<BIGNUM, BN_free>;
using Builder = CPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Parameters = CPtr<OSSL_PARAM, OSSL_PARAM_free>;
using KeyContext = CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContext = CPtr<EVP_MD_CTX, EVP_MD_CTX_free>;

// What fails in here is no fault of the thread's TLS connections, which look at the same queue.
class QuietErrors {
 public:
  QuietErrors() { ERR_set_mark(); }
  ~QuietErrors() { ERR_pop_to_mark(); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
};

struct Row {
  std::string_view name;
  const char* digest;        // nullptr: the key's own
  bool pss;                  // RSA-PSS, not PKCS #1 v1.5
  std::size_t number_bytes;  // ECDSA: of each of the two numbers; else 0
};
constexpr std::array<Row, 10> kRows = {{{"RS256", "SHA256", false, 0},
                                        {"RS384", "SHA384", false, 0},
                                        {"RS512", "SHA512", false, 0},
                                        {"PS256", "SHA256", true, 0},
                                        {"PS384", "SHA384", true, 0},
                                        {"PS512", "SHA512", true, 0},
                                        {"ES256", "SHA256", false, 32},
                                        {"ES384", "SHA384", false, 48},
                                        {"ES512", "SHA512", false, 66},
                                        {"EdDSA", nullptr, false, 0}}};
static_assert(kRows.size() == static_cast<std::size_t>(SignatureAlgorithm::kEdDsa) + 1);

const Row& row(SignatureAlgorithm algorithm) {
  return kRows[static_cast<std::size_t>(algorithm)];
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number(std::string_view big_endian) {
  return Number(BN_bin2bn(bytes(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

// nullptr where OpenSSL does not take them.
std::shared_ptr<EVP_PKEY> make_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return {key, &EVP_PKEY_free};
}

// A JWS has the two numbers one behind the other (RFC 7518, 3.4); OpenSSL wants DER.
std::string der_signature(std::string_view numbers) {
  const std::size_t half = numbers.size() / 2;
  Number r = number(numbers.substr(0, half));
  Number s = number(numbers.substr(half));
  const CPtr<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
  if (!r || !s || !signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
    return {};
  }
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  const int length = i2d_ECDSA_SIG(signature.get(), nullptr);
  std::string der(length > 0 ? static_cast<std::size_t>(length) : 0, '\0');
  auto* end = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(signature.get(), &end);
  return der;
}

}  // namespace

std::optional<SignatureAlgorithm> signature_algorithm(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, &Row::name);
  return found != kRows.end()
             ? std::optional(static_cast<SignatureAlgorithm>(found - kRows.begin()))
             : std::nullopt;
}

std::expected<VerificationKey, std::string> VerificationKey::rsa(std::string_view modulus,
                                                                 std::string_view exponent) {
  const QuietErrors quiet;
  if (modulus.size() > std::size_t{kMostRsaBits / 8 + 1} || exponent.size() > kLongestExponent) {
    return std::unexpected("expected an RSA key of at most 8192 bits with a small exponent");
  }
  const Number n = number(modulus);
  const Number e = number(exponent);
  if (!n || !e || BN_num_bits(n.get()) < kFewestRsaBits || BN_num_bits(n.get()) > kMostRsaBits) {
    return std::unexpected("expected an RSA key of 2048 to 8192 bits");
  }
  if (BN_is_odd(n.get()) == 0 || BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) == 1) {
    return std::unexpected("expected an RSA key with odd numbers, the exponent at least 3");
  }
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return std::unexpected("no memory for a key");
  }
  auto key = make_key("RSA", builder.get());
  if (!key) {
    return std::unexpected("expected an RSA key that OpenSSL takes");
  }
  return VerificationKey(Kind::kRsa, std::move(key));
}

std::expected<VerificationKey, std::string> VerificationKey::ec(std::string_view curve,
                                                                std::string_view x,
                                                                std::string_view y) {
  const QuietErrors quiet;
  struct Curve {
    std::string_view name;
    Kind kind;
    std::size_t size;  // of a coordinate
  };
  constexpr std::array<Curve, 3> kCurves = {
      {{"P-256", Kind::kP256, 32}, {"P-384", Kind::kP384, 48}, {"P-521", Kind::kP521, 66}}};
  const auto known = std::ranges::find(kCurves, curve, &Curve::name);
  if (known == kCurves.end() || x.size() > known->size || y.size() > known->size) {
    return std::unexpected("expected an EC key of P-256, P-384 or P-521 with its coordinates");
  }
  std::string point = "\x04";  // uncompressed
  point.append(known->size - x.size(), '\0').append(x);
  point.append(known->size - y.size(), '\0').append(y);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, known->name.data(),
                                      known->name.size()) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return std::unexpected("no memory for a key");
  }
  auto key = make_key("EC", builder.get());
  const KeyContext context(key ? EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr) : nullptr);
  if (!context || EVP_PKEY_public_check(context.get()) != 1) {
    return std::unexpected("expected an EC key that is a point of its curve");
  }
  return VerificationKey(known->kind, std::move(key));
}

std::expected<VerificationKey, std::string> VerificationKey::ed25519(std::string_view key) {
  const QuietErrors quiet;
  EVP_PKEY* made =
      key.size() == kEd25519KeySize
          ? EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, bytes(key), key.size())
          : nullptr;
  if (made == nullptr) {
    return std::unexpected("expected an Ed25519 key of 32 bytes");
  }
  return VerificationKey(Kind::kEd25519, {made, &EVP_PKEY_free});
}

bool VerificationKey::fits(SignatureAlgorithm algorithm) const {
  switch (algorithm) {
    case SignatureAlgorithm::kRs256:
    case SignatureAlgorithm::kRs384:
    case SignatureAlgorithm::kRs512:
    case SignatureAlgorithm::kPs256:
    case SignatureAlgorithm::kPs384:
    case SignatureAlgorithm::kPs512:
      return kind_ == Kind::kRsa;
    case SignatureAlgorithm::kEs256:
      return kind_ == Kind::kP256;
    case SignatureAlgorithm::kEs384:
      return kind_ == Kind::kP384;
    case SignatureAlgorithm::kEs512:
      return kind_ == Kind::kP521;
    case SignatureAlgorithm::kEdDsa:
      return kind_ == Kind::kEd25519;
  }
  return false;
}

bool VerificationKey::verify(SignatureAlgorithm algorithm, std::string_view message,
                             std::string_view signature) const {
  const Row& how = row(algorithm);
  if (!fits(algorithm) || (how.number_bytes > 0 && signature.size() != 2 * how.number_bytes)) {
    return false;
  }
  const QuietErrors quiet;
  const std::string der = how.number_bytes > 0 ? der_signature(signature) : std::string();
  const std::string_view wanted = how.number_bytes > 0 ? der : signature;
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // the context's own
  return context &&
         EVP_DigestVerifyInit_ex(context.get(), &options, how.digest, nullptr, nullptr, key_.get(),
                                 nullptr) == 1 &&
         (!how.pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                       EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
         EVP_DigestVerify(context.get(), bytes(wanted), wanted.size(), bytes(message),
                          message.size()) == 1;
}

}  // namespace headgate::net
