#include "net/x25519/fresh_pairs.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "net/x25519/openssl.h"

namespace headgate::net {
namespace {

std::vector<X25519Way> ways() {
  std::vector<X25519Way> ways{X25519Way::kLadder};
  if (has_x25519_batch()) {
    ways.push_back(X25519Way::kBatch);
  }
  return ways;
}

TEST(FreshX25519Pairs, FitTogetherAndAreNeverGivenTwice) {
  std::set<X25519Key> seen;
  for (const X25519Way way : ways()) {
    FreshX25519Pairs pairs(way);
    for (std::size_t i = 0; i < 5 * kX25519Batch + 1; ++i) {
      X25519Pair pair;
      ASSERT_TRUE(pairs.take(nullptr, pair));
      X25519Key expected;
      ASSERT_TRUE(X25519OfOpenSsl::own().multiply(pair.private_key, expected));
      EXPECT_EQ(pair.public_key, expected) << name_of(way);
      EXPECT_TRUE(seen.insert(pair.private_key).second);
    }
  }
}

TEST(FreshX25519Pairs, PrivateKeysAreTheScalarsThatAreMultipliedWith) {
  for (const X25519Way way : ways()) {
    FreshX25519Pairs pairs(way);
    X25519Pair pair;
    ASSERT_TRUE(pairs.take(nullptr, pair));
    EXPECT_EQ(pair.private_key.front() & 7, 0);
    EXPECT_EQ(pair.private_key.back() & 0xc0, 0x40);
  }
}

TEST(FreshX25519Pairs, ThreadsHaveTheirOwn) {
  std::vector<std::set<X25519Key>> of_thread(4);
  std::vector<std::thread> threads;
  for (std::set<X25519Key>& keys : of_thread) {
    threads.emplace_back([&keys] {
      FreshX25519Pairs pairs(fastest_x25519_way());
      for (std::size_t i = 0; i < 3 * kX25519Batch; ++i) {
        X25519Pair pair;
        if (pairs.take(nullptr, pair)) {
          keys.insert(pair.private_key);
        }
      }
    });
  }
  std::set<X25519Key> all;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    all.merge(of_thread[i]);
  }
  EXPECT_EQ(all.size(), 4 * 3 * kX25519Batch);
}

// A random generator that fails must leave no key behind, least of all one of zeros.
TEST(FreshX25519Pairs, WithoutRandomBytesThereIsNone) {
  const std::unique_ptr<OSSL_LIB_CTX, decltype(&OSSL_LIB_CTX_free)> library(OSSL_LIB_CTX_new(),
                                                                            &OSSL_LIB_CTX_free);
  ASSERT_EQ(RAND_set_DRBG_type(library.get(), "NO-SUCH-GENERATOR", nullptr, nullptr, nullptr), 1);
  for (const X25519Way way : ways()) {
    FreshX25519Pairs pairs(way);
    X25519Pair pair;
    EXPECT_FALSE(pairs.take(library.get(), pair)) << name_of(way);
    EXPECT_TRUE(pairs.take(nullptr, pair));
  }
}

TEST(FreshX25519Pairs, TheWayHasAName) {
  EXPECT_EQ(name_of(X25519Way::kOpenSsl), "OpenSSL");
  EXPECT_EQ(name_of(X25519Way::kLadder), "ladder");
  EXPECT_EQ(name_of(X25519Way::kBatch), "batch");
  EXPECT_EQ(fastest_x25519_way(), fastest_x25519_way());
}

}  // namespace
}  // namespace headgate::net
