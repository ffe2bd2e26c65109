// The arithmetic of eight elements against OpenSSL's large numbers, with limbs at the bounds that
// the functions are written for, which no key's way through the ladder is sure to meet.

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>

#include "net/x25519/batch.h"
#include "net/x25519/fresh_pairs.h"

#if defined(__x86_64__)
#include "net/x25519/field.h"

namespace headgate::net::x25519 {
namespace {

constexpr std::size_t kElements = 8;

using Limbs = std::array<std::array<std::uint64_t, kElements>, kLimbs>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

enum class Operation { kAdd, kSubtract, kMultiply, kMultiplySmall, kSquare, kInverse, kCanonical };

constexpr std::uint64_t kReducedBelow = (std::uint64_t{1} << kLimbBits) + (1U << 14);
constexpr std::uint64_t kFactor = 121665;

[[HEADGATE_IFMA]] Limbs calculate(Operation operation, const Limbs& left, const Limbs& right) {
  Field a;
  Field b;
  std::memcpy(&a, &left, sizeof a);
  std::memcpy(&b, &right, sizeof b);
  switch (operation) {
    case Operation::kAdd:
      a = add(a, b);
      break;
    case Operation::kSubtract:
      a = subtract(a, b);
      break;
    case Operation::kMultiply:
      a = multiply(a, b);
      break;
    case Operation::kMultiplySmall:
      a = multiply(a, kFactor);
      break;
    case Operation::kSquare:
      a = square(a);
      break;
    case Operation::kInverse:
      a = inverse(a);
      break;
    case Operation::kCanonical:
      make_canonical(a);
      break;
  }
  Limbs result;
  std::memcpy(&result, &a, sizeof result);
  return result;
}

class X25519Field : public testing::Test {
 protected:
  X25519Field() {
    BN_set_bit(p_.get(), 255);
    BN_sub_word(p_.get(), 19);
  }

  // Limbs of all sizes that a reduced element may have, the bounds and what is next to them above
  // all.
  Limbs some_limbs() {
    constexpr std::uint64_t kOver = kLimbMask + 1;
    static constexpr std::array<std::uint64_t, 11> kEdges{
        0, 1, 18, 19, 20, kOver - 20, kOver - 19, kOver - 18, kOver - 1, kOver, kReducedBelow - 1};
    Limbs limbs;
    for (auto& limb : limbs) {
      for (std::uint64_t& one : limb) {
        one = random_() % 3 == 0 ? random_() % kReducedBelow : kEdges[random_() % kEdges.size()];
      }
    }
    return limbs;
  }

  static Number number() { return {BN_new(), &BN_free}; }

  static Number value(const Limbs& limbs, std::size_t element) {
    Number sum = number();
    for (std::size_t i = kLimbs; i-- > 0;) {
      BN_lshift(sum.get(), sum.get(), kLimbBits);
      BN_add_word(sum.get(), limbs[i][element]);
    }
    return sum;
  }

  Number expected(Operation operation, const BIGNUM* a, const BIGNUM* b) {
    Number result = number();
    switch (operation) {
      case Operation::kAdd:
        BN_mod_add(result.get(), a, b, p_.get(), context_.get());
        break;
      case Operation::kSubtract:
        BN_mod_sub(result.get(), a, b, p_.get(), context_.get());
        break;
      case Operation::kMultiply:
        BN_mod_mul(result.get(), a, b, p_.get(), context_.get());
        break;
      case Operation::kMultiplySmall:
        BN_copy(result.get(), a);
        BN_mul_word(result.get(), kFactor);
        BN_nnmod(result.get(), result.get(), p_.get(), context_.get());
        break;
      case Operation::kSquare:
        BN_mod_sqr(result.get(), a, p_.get(), context_.get());
        break;
      case Operation::kInverse: {
        const Number power = number();
        BN_copy(power.get(), p_.get());
        BN_sub_word(power.get(), 2);
        BN_mod_exp(result.get(), a, power.get(), p_.get(), context_.get());
        break;
      }
      case Operation::kCanonical:
        BN_nnmod(result.get(), a, p_.get(), context_.get());
        break;
    }
    return result;
  }

  void check(Operation operation, int times) {
    if (!has_x25519_batch()) {
      EXPECT_NE(fastest_x25519_way(), X25519Way::kBatch);
      return;
    }
    for (int time = 0; time < times; ++time) {
      const Limbs a = some_limbs();
      const Limbs b = some_limbs();
      const Limbs result = calculate(operation, a, b);
      for (std::size_t i = 0; i < kElements; ++i) {
        const Number found = value(result, i);
        if (operation == Operation::kCanonical) {
          ASSERT_LT(BN_cmp(found.get(), p_.get()), 0);
        }
        BN_nnmod(found.get(), found.get(), p_.get(), context_.get());
        const Number right = expected(operation, value(a, i).get(), value(b, i).get());
        ASSERT_EQ(BN_cmp(found.get(), right.get()), 0);
        for (const auto& limb : result) {
          ASSERT_LT(limb[i], operation == Operation::kCanonical ? kLimbMask + 1 : kReducedBelow);
        }
      }
    }
  }

  std::mt19937_64 random_{20261123};
  std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context_{BN_CTX_new(), &BN_CTX_free};
  Number p_ = number();
};

TEST_F(X25519Field, SumsAreRight) {
  check(Operation::kAdd, 500);
}

TEST_F(X25519Field, DifferencesAreRight) {
  check(Operation::kSubtract, 500);
}

TEST_F(X25519Field, ProductsAreRight) {
  check(Operation::kMultiply, 1000);
  check(Operation::kMultiplySmall, 500);
}

TEST_F(X25519Field, SquaresAreRight) {
  check(Operation::kSquare, 1000);
}

TEST_F(X25519Field, InversesAreRight) {
  check(Operation::kInverse, 20);
}

TEST_F(X25519Field, EveryValueHasOneFormBelowP) {
  check(Operation::kCanonical, 1000);
}

}  // namespace
}  // namespace headgate::net::x25519

#endif
