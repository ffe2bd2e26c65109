#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/scalar.h"
#include "config/scalars.h"

// Numbers, sizes and durations of scalars.h.
namespace headgate::config {
namespace {

constexpr std::size_t kKibi = 1024;
constexpr std::size_t kMebi = 1024 * 1024;

// Digits with what follows them; nullopt without digits or beyond 2^63.
struct Quantity {
  std::uint64_t number;
  std::string_view unit;
};
std::optional<Quantity> quantity(std::string_view text) {
  Quantity result{};
  if (text.empty() || !is_digit(text.front())) {
    return std::nullopt;
  }
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, result.number);
  if (error != std::errc{} || result.number > INT64_MAX) {
    return std::nullopt;
  }
  result.unit = {stop, static_cast<std::size_t>(end - stop)};
  return result;
}

template <typename T>
Type<T> bounded_number(T minimum, T maximum) {
  return scalar<T>(
      fmt::format("a whole number from {} to {}", minimum, maximum),
      fmt::format(R"("type": "integer", "minimum": {}, "maximum": {})", minimum, maximum),
      [minimum, maximum](std::string_view text) -> std::expected<T, std::string> {
        const auto parsed = quantity(text);
        if (!parsed || !parsed->unit.empty() ||
            parsed->number < static_cast<std::uint64_t>(minimum) ||
            parsed->number > static_cast<std::uint64_t>(maximum)) {
          return std::unexpected(std::string());
        }
        return static_cast<T>(parsed->number);
      },
      [](const T& value) { return std::to_string(value); });
}

std::string print_size(std::size_t bytes) {
  if (bytes != 0 && bytes % kMebi == 0) {
    return fmt::format("{}MiB", bytes / kMebi);
  }
  if (bytes != 0 && bytes % kKibi == 0) {
    return fmt::format("{}KiB", bytes / kKibi);
  }
  return std::to_string(bytes);
}

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
// Largest last: the printer takes the largest that divides.
constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};

std::string print_duration(std::chrono::milliseconds duration) {
  const Unit* best = &kUnits[0];
  for (const Unit& unit : kUnits) {
    if (duration.count() % unit.milliseconds == 0 && (duration.count() != 0 || unit.name == "s")) {
      best = &unit;
    }
    if (duration.count() == 0 && unit.name == "s") {
      break;
    }
  }
  return fmt::format("{}{}", duration.count() / best->milliseconds, best->name);
}

template <typename Duration>
Type<Duration> bounded_duration(Duration minimum, Duration maximum) {
  constexpr bool whole_seconds = std::is_same_v<Duration, std::chrono::seconds>;
  return scalar<Duration>(
      fmt::format("a duration with its unit ({}) from {} to {}",
                  whole_seconds ? "s, m or h" : "ms, s, m or h", print_duration(minimum),
                  print_duration(maximum)),
      fmt::format(R"("type": "string", "pattern": "^[0-9]+{}$")",
                  whole_seconds ? "(s|m|h)" : "(ms|s|m|h)"),
      [minimum, maximum](std::string_view text) -> std::expected<Duration, std::string> {
        const auto parsed = quantity(text);
        if (!parsed) {
          return std::unexpected(std::string());
        }
        for (const Unit& unit : kUnits) {
          // Compared by division: the product may not fit.
          const auto factor = static_cast<std::uint64_t>(unit.milliseconds);
          const auto limit =
              static_cast<std::uint64_t>(std::chrono::milliseconds(maximum).count()) / factor;
          if (unit.name == parsed->unit && parsed->number <= limit &&
              !(whole_seconds && unit.milliseconds < 1000)) {
            const auto value =
                std::chrono::milliseconds(static_cast<std::int64_t>(parsed->number * factor));
            if (value >= minimum) {
              return std::chrono::duration_cast<Duration>(value);
            }
          }
        }
        return std::unexpected(std::string());
      },
      [](const Duration& value) { return print_duration(value); });
}

}  // namespace

Type<unsigned> number(unsigned minimum, unsigned maximum) {
  return bounded_number(minimum, maximum);
}
Type<int> number(int minimum, int maximum) {
  return bounded_number(minimum, maximum);
}
Type<std::size_t> number(std::size_t minimum, std::size_t maximum) {
  return bounded_number(minimum, maximum);
}

Type<unsigned> percentage() {
  return scalar<unsigned>(
      "a percentage from 0% to 100% with at most two decimals, for example 2% or 0.5%",
      R"("type": "string", "pattern": "^[0-9]{1,3}([.][0-9]{1,2})?%$")",
      [](std::string_view text) -> std::expected<unsigned, std::string> {
        const auto whole = quantity(text);
        if (!whole || whole->number > 100) {
          return std::unexpected(std::string());
        }
        std::string_view rest = whole->unit;
        auto hundredths = static_cast<unsigned>(whole->number) * 100;
        if (rest.starts_with('.')) {
          unsigned value = 10;
          for (rest.remove_prefix(1); !rest.empty() && is_digit(rest.front()) && value > 0;
               rest.remove_prefix(1), value /= 10) {
            hundredths += value * static_cast<unsigned>(rest.front() - '0');
          }
          if (value == 10) {
            return std::unexpected(std::string());
          }
        }
        if (rest != "%" || hundredths > 10'000) {
          return std::unexpected(std::string());
        }
        return hundredths;
      },
      [](const unsigned& value) {
        return value % 100 == 0 ? fmt::format("{}%", value / 100)
                                : fmt::format("{}.{:02}%", value / 100, value % 100);
      });
}

Type<unsigned> load_bound() {
  return scalar<unsigned>(
      "0 or a whole number of per cent from 100 to 1000",
      R"("anyOf": [{"const": 0}, {"type": "integer", "minimum": 100, "maximum": 1000}])",
      [](std::string_view text) -> std::expected<unsigned, std::string> {
        const auto parsed = quantity(text);
        if (!parsed || !parsed->unit.empty() || parsed->number > 1000 ||
            (parsed->number != 0 && parsed->number < 100)) {
          return std::unexpected(std::string());
        }
        return static_cast<unsigned>(parsed->number);
      },
      [](const unsigned& value) { return std::to_string(value); });
}

Type<std::size_t> size(std::size_t minimum, std::size_t maximum) {
  return scalar<std::size_t>(
      fmt::format("a size in bytes (or with the unit KiB or MiB) from {} to {}",
                  print_size(minimum), print_size(maximum)),
      fmt::format(R"x("anyOf": [{{"type": "integer", "minimum": {}, "maximum": {}}}, )x"
                  R"x({{"type": "string", "pattern": "^[0-9]+(KiB|MiB)$"}}])x",
                  minimum, maximum),
      [minimum, maximum](std::string_view text) -> std::expected<std::size_t, std::string> {
        const auto parsed = quantity(text);
        if (parsed && (parsed->unit.empty() || parsed->unit == "KiB" || parsed->unit == "MiB")) {
          const std::size_t factor = parsed->unit.empty()    ? 1
                                     : parsed->unit == "KiB" ? kKibi
                                                             : kMebi;
          if (parsed->number <= maximum / factor && parsed->number * factor >= minimum) {
            return parsed->number * factor;
          }
        }
        return std::unexpected(std::string());
      },
      [](const std::size_t& value) { return print_size(value); });
}

Type<std::chrono::milliseconds> duration(std::chrono::milliseconds minimum,
                                         std::chrono::milliseconds maximum) {
  return bounded_duration(minimum, maximum);
}
Type<std::chrono::seconds> duration(std::chrono::seconds minimum, std::chrono::seconds maximum) {
  return bounded_duration(minimum, maximum);
}

}  // namespace headgate::config
