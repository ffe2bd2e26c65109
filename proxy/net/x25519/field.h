#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

// For x86-64 alone. The target is said of functions, not of files: else a file's copies of inline
// functions of others would be made for processors that not everybody has.
#define HEADGATE_IFMA gnu::target("avx512f,avx512ifma")
#define HEADGATE_IFMA_INLINE [[HEADGATE_IFMA, gnu::always_inline]] inline

// Eight elements at once of the field of p = 2^255 - 19, in radix 2^51: each the sum of
// limb[i] * 2^(51 i). No branch and no address depends on a value.
//
// "Reduced" is what all functions below take and give: limbs below 2^51 + 2^14. They are less than
// the 2^52 that vpmadd52 multiplies; the value may still be p or more.
namespace headgate::net::x25519 {

// One 64-bit number of each element.
using Lanes [[gnu::vector_size(64)]] = std::uint64_t;

inline constexpr std::size_t kLimbs = 5;
inline constexpr unsigned kLimbBits = 51;
inline constexpr std::uint64_t kLimbMask = (std::uint64_t{1} << kLimbBits) - 1;

struct Field {
  Lanes limb[kLimbs];
};

HEADGATE_IFMA_INLINE Lanes over_limb(Lanes a) {
  return a >> kLimbBits;
}

HEADGATE_IFMA_INLINE Lanes within_limb(Lanes a) {
  return a & kLimbMask;
}

// Of values below 2^59. By shifts, since a multiplication of 64 bits is three instructions.
HEADGATE_IFMA_INLINE Lanes times_19(Lanes a) {
  return (a << 4) + (a << 1) + a;
}

HEADGATE_IFMA_INLINE Field small(std::uint64_t value) {
  return {{Lanes{} + value}};
}

// Every limb hands on what is over 51 bits of it, all at once, the highest 19 times to the lowest,
// since 2^255 = 19. Limbs below 2^60.5 come out reduced: what the highest hands on is less than
// 725, 19 times that less than 2^14.
HEADGATE_IFMA_INLINE Field carried(const Field& a) {
  return {{within_limb(a.limb[0]) + times_19(over_limb(a.limb[4])),
           within_limb(a.limb[1]) + over_limb(a.limb[0]),
           within_limb(a.limb[2]) + over_limb(a.limb[1]),
           within_limb(a.limb[3]) + over_limb(a.limb[2]),
           within_limb(a.limb[4]) + over_limb(a.limb[3])}};
}

HEADGATE_IFMA_INLINE Field add(const Field& a, const Field& b) {
  Field sum;
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
    sum.limb[i] = a.limb[i] + b.limb[i];
  }
  return carried(sum);
}

// Plus 2 p, whose limbs are larger than reduced ones, so that none goes below zero.
HEADGATE_IFMA_INLINE Field subtract(const Field& a, const Field& b) {
  Field difference;
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
    const std::uint64_t of_p = i == 0 ? kLimbMask - 18 : kLimbMask;
    difference.limb[i] = a.limb[i] + (2 * of_p - b.limb[i]);
  }
  return carried(difference);
}

// Sums of the lower and of the upper 52 bits of products of limbs, by the sum of the indices.
struct Products {
  Lanes low[2 * kLimbs - 1];
  Lanes high[2 * kLimbs - 1];
};

HEADGATE_IFMA_INLINE void add_product(Products& products, std::size_t column, Lanes a, Lanes b) {
  products.low[column] = reinterpret_cast<Lanes>(
      _mm512_madd52lo_epu64(reinterpret_cast<__m512i>(products.low[column]),
                            reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
  products.high[column] = reinterpret_cast<Lanes>(
      _mm512_madd52hi_epu64(reinterpret_cast<__m512i>(products.high[column]),
                            reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}

// Five products in a column at most: sums below 2^54.4. An upper half counts 2^52, twice the 2^51
// of the next limb; so a limb comes to less than 2^56, and with 19 times what is 2^255 above it to
// less than 2^60.4.
HEADGATE_IFMA_INLINE Field folded(const Products& products) {
  Lanes column[2 * kLimbs];
  column[0] = products.low[0];
#pragma GCC unroll 8
  for (std::size_t i = 1; i < 2 * kLimbs - 1; ++i) {
    column[i] = products.low[i] + (products.high[i - 1] << 1);
  }
  column[2 * kLimbs - 1] = products.high[2 * kLimbs - 2] << 1;
  Field sum;
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
    sum.limb[i] = column[i] + times_19(column[i + kLimbs]);
  }
  return carried(sum);
}

HEADGATE_IFMA_INLINE Field multiply(const Field& a, const Field& b) {
  Products products{};
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
#pragma GCC unroll 5
    for (std::size_t j = 0; j < kLimbs; ++j) {
      add_product(products, i + j, a.limb[i], b.limb[j]);
    }
  }
  return folded(products);
}

// `factor` below 2^52.
HEADGATE_IFMA_INLINE Field multiply(const Field& a, std::uint64_t factor) {
  Products products{};
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
    add_product(products, i, a.limb[i], Lanes{} + factor);
  }
  return folded(products);
}

// Products of two different limbs count twice.
HEADGATE_IFMA_INLINE Field square(const Field& a) {
  Products products{};
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
#pragma GCC unroll 5
    for (std::size_t j = i + 1; j < kLimbs; ++j) {
      add_product(products, i + j, a.limb[i], a.limb[j]);
    }
  }
#pragma GCC unroll 9
  for (std::size_t i = 0; i < 2 * kLimbs - 1; ++i) {
    products.low[i] <<= 1;
    products.high[i] <<= 1;
  }
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
    add_product(products, 2 * i, a.limb[i], a.limb[i]);
  }
  return folded(products);
}

HEADGATE_IFMA_INLINE Field square_times(Field a, int times) {
  for (int i = 0; i < times; ++i) {
    a = square(a);
  }
  return a;
}

// a^(p - 2), which is 1 / a, and 0 for 0. `ones_n` is a to the power of n ones, in binary.
HEADGATE_IFMA_INLINE Field inverse(const Field& a) {
  const Field two = square(a);
  const Field nine = multiply(square_times(two, 2), a);
  const Field eleven = multiply(nine, two);
  const Field ones_5 = multiply(square(eleven), nine);
  const Field ones_10 = multiply(square_times(ones_5, 5), ones_5);
  const Field ones_20 = multiply(square_times(ones_10, 10), ones_10);
  const Field ones_40 = multiply(square_times(ones_20, 20), ones_20);
  const Field ones_50 = multiply(square_times(ones_40, 10), ones_10);
  const Field ones_100 = multiply(square_times(ones_50, 50), ones_50);
  const Field ones_200 = multiply(square_times(ones_100, 100), ones_100);
  const Field ones_250 = multiply(square_times(ones_200, 50), ones_50);
  return multiply(square_times(ones_250, 5), eleven);
}

// Lanes of `a` and `b` change places where `mask` has all bits, and stay where it has none.
HEADGATE_IFMA_INLINE void swap_where(Lanes mask, Field& a, Field& b) {
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
    const Lanes difference = mask & (a.limb[i] ^ b.limb[i]);
    a.limb[i] ^= difference;
    b.limb[i] ^= difference;
  }
}

// One limb after the other, from the lowest; returns what is over 2^255.
HEADGATE_IFMA_INLINE Lanes carry_in_order(Field& a) {
  Lanes over{};
#pragma GCC unroll 5
  for (std::size_t i = 0; i < kLimbs; ++i) {
    a.limb[i] += over;
    over = over_limb(a.limb[i]);
    a.limb[i] = within_limb(a.limb[i]);
  }
  return over;
}

// The one value below p.
HEADGATE_IFMA_INLINE void make_canonical(Field& a) {
  // The first time leaves less than 2^255 + 19; where that is 2^255 or more, the second time leaves
  // less than 38. So it is below 2^255 now, and all limbs below 2^51.
  a.limb[0] += times_19(carry_in_order(a));
  a.limb[0] += times_19(carry_in_order(a));
  // It is p or more exactly if 19 more reach 2^255; then these 19 less 2^255 take p away.
  Field more = a;
  more.limb[0] += 19;
  a.limb[0] += times_19(carry_in_order(more));
  carry_in_order(a);
}

}  // namespace headgate::net::x25519
