#pragma once

#include <cstdint>
#include <string>

namespace headgate::bench {

// What the policies promise, in figures over so many users, at 3, 30 and 300 backends: how far
// shares are from the weights, how many users a change moves against how many it must, how full a
// backend becomes under a load bound. As a member of a JSON object.
std::string properties(std::uint64_t users);

}  // namespace headgate::bench
