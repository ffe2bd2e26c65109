#include "net/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>
#include <vector>

#include "signing_key.h"

namespace headgate::net {
namespace {

using test::SigningKey;
using testing::HasSubstr;
using enum SignatureAlgorithm;

const SigningKey& rsa_key() {
  static const SigningKey key = SigningKey::rsa();
  return key;
}

VerificationKey public_rsa(const SigningKey& key) {
  auto made = VerificationKey::rsa(key.modulus(), key.exponent());
  EXPECT_TRUE(made.has_value()) << made.error();
  return *std::move(made);
}

VerificationKey public_ec(const SigningKey& key, const char* curve) {
  auto made = VerificationKey::ec(curve, key.x(), key.y());
  EXPECT_TRUE(made.has_value()) << made.error();
  return *std::move(made);
}

// Good for what was signed, and for nothing that differs from it by a bit.
void expect_exact(const VerificationKey& key, SignatureAlgorithm algorithm,
                  const std::string& message, const std::string& signature) {
  EXPECT_TRUE(key.verify(algorithm, message, signature));
  EXPECT_FALSE(key.verify(algorithm, message + "x", signature));
  EXPECT_FALSE(key.verify(algorithm, "", signature));
  EXPECT_FALSE(key.verify(algorithm, message, ""));
  EXPECT_FALSE(key.verify(algorithm, message, signature + '\0'));
  for (const std::size_t at : {std::size_t{0}, signature.size() / 2, signature.size() - 1}) {
    std::string altered = signature;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    EXPECT_FALSE(key.verify(algorithm, message, altered)) << at;
  }
  EXPECT_EQ(ERR_peek_error(), 0UL) << "the thread's TLS connections look at the same queue";
}

TEST(Signature, RsaWithBothPaddingsAndEveryDigest) {
  const VerificationKey key = public_rsa(rsa_key());
  struct Case {
    SignatureAlgorithm algorithm;
    const char* digest;
    bool pss;
  };
  for (const auto& [algorithm, digest, pss] :
       {Case{kRs256, "SHA256", false}, Case{kRs384, "SHA384", false}, Case{kRs512, "SHA512", false},
        Case{kPs256, "SHA256", true}, Case{kPs384, "SHA384", true}, Case{kPs512, "SHA512", true}}) {
    const std::string signature = rsa_key().sign(digest, pss, "a message");
    expect_exact(key, algorithm, "a message", signature);
    for (const SignatureAlgorithm other : {kRs256, kRs384, kRs512, kPs256, kPs384, kPs512}) {
      EXPECT_EQ(key.verify(other, "a message", signature), other == algorithm);
    }
  }
}

TEST(Signature, EcOnEveryCurve) {
  struct Case {
    SignatureAlgorithm algorithm;
    const char* digest;
    const char* curve;
  };
  for (const auto& [algorithm, digest, curve] :
       {Case{kEs256, "SHA256", "P-256"}, Case{kEs384, "SHA384", "P-384"},
        Case{kEs512, "SHA512", "P-521"}}) {
    const SigningKey signer = SigningKey::ec(curve);
    const VerificationKey key = public_ec(signer, curve);
    const std::string signature = signer.sign(digest, false, "a message");
    expect_exact(key, algorithm, "a message", signature);
    EXPECT_FALSE(public_ec(SigningKey::ec(curve), curve).verify(algorithm, "a message", signature));
    EXPECT_FALSE(key.verify(algorithm, "a message", std::string(signature.size(), '\0')));
  }
}

// One key of 128 has such a coordinate, and the libraries of some issuers shorten it.
TEST(Signature, EcWithCoordinatesThatLackTheirLeadingZeros) {
  SigningKey signer = SigningKey::ec("P-256");
  for (int tries = 0; tries < 20'000 && signer.x()[0] != '\0'; ++tries) {
    signer = SigningKey::ec("P-256");
  }
  ASSERT_EQ(signer.x()[0], '\0');
  const std::string signature = signer.sign("SHA256", false, "a message");
  for (const std::string& x : {signer.x(), signer.x().substr(1)}) {
    const auto key = VerificationKey::ec("P-256", x, signer.y());
    ASSERT_TRUE(key.has_value()) << key.error();
    EXPECT_TRUE(key->verify(kEs256, "a message", signature));
  }
  EXPECT_FALSE(VerificationKey::ec("P-256", '\0' + signer.x(), signer.y()).has_value());
}

TEST(Signature, Ed25519) {
  const SigningKey signer = SigningKey::ed25519();
  const auto key = VerificationKey::ed25519(signer.raw());
  ASSERT_TRUE(key.has_value());
  expect_exact(*key, kEdDsa, "a message", signer.sign(nullptr, false, "a message"));
}

TEST(Signature, AKeyIsForItsOwnAlgorithmsAlone) {
  const SigningKey ec = SigningKey::ec("P-256");
  const VerificationKey p256 = public_ec(ec, "P-256");
  EXPECT_TRUE(p256.fits(kEs256));
  for (const SignatureAlgorithm other : {kRs256, kPs256, kEs384, kEs512, kEdDsa}) {
    EXPECT_FALSE(p256.fits(other));
    EXPECT_FALSE(p256.verify(other, "m", ec.sign("SHA256", false, "m")));
  }
  const VerificationKey rsa = public_rsa(rsa_key());
  EXPECT_FALSE(rsa.fits(kEs256) || rsa.fits(kEdDsa));
}

TEST(Signature, OnlyAlgorithmsWithPublicKeysHaveAName) {
  EXPECT_EQ(signature_algorithm("RS256"), kRs256);
  EXPECT_EQ(signature_algorithm("ES512"), kEs512);
  EXPECT_EQ(signature_algorithm("EdDSA"), kEdDsa);
  for (const char* name : {"none", "None", "", "HS256", "HS512", "rs256", "RS256 ", "ES256K"}) {
    EXPECT_FALSE(signature_algorithm(name).has_value()) << name;
  }
}

TEST(Signature, KeysThatAreWeakOrWrongAreRefused) {
  const SigningKey weak = SigningKey::rsa(1024);
  EXPECT_THAT(VerificationKey::rsa(weak.modulus(), weak.exponent()).error(), HasSubstr("2048"));
  EXPECT_FALSE(VerificationKey::rsa("", "").has_value());
  EXPECT_FALSE(VerificationKey::rsa(std::string(2000, '\xff'), "\x03").has_value());
  EXPECT_FALSE(VerificationKey::rsa(rsa_key().modulus(), "\x01").has_value());
  EXPECT_FALSE(VerificationKey::rsa(rsa_key().modulus(), "\x02").has_value());
  EXPECT_FALSE(VerificationKey::rsa(rsa_key().modulus(), std::string(9, '\x03')).has_value());
  const SigningKey ec = SigningKey::ec("P-256");
  EXPECT_FALSE(VerificationKey::ec("P-256", ec.y(), ec.x()).has_value()) << "not on the curve";
  EXPECT_FALSE(VerificationKey::ec("P-256", "", "").has_value());
  EXPECT_FALSE(VerificationKey::ec("P-256", ec.x().substr(0, 31), ec.y()).has_value());
  EXPECT_FALSE(VerificationKey::ec("P-384", ec.x(), ec.y()).has_value());
  EXPECT_FALSE(VerificationKey::ec("secp256k1", ec.x(), ec.y()).has_value());
  EXPECT_FALSE(VerificationKey::ed25519(std::string(31, 'x')).has_value());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace headgate::net
