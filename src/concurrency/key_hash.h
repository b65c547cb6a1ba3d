// The hash of a shared table's keys: SipHash-1-3 (Aumasson, Bernstein 2012; the variant that
// CPython has for str and bytes) with a secret of the process. Whoever chooses keys, the clients of
// a server that caches by what they ask for, can't choose them so that they collide.
//
// Any thread.
#pragma once
#include <cstdint>
#include <string_view>

namespace allcores::concurrency {

std::uint64_t key_hash(std::string_view key) noexcept;

// The same with a known secret, for tests.
std::uint64_t key_hash(std::string_view key, std::uint64_t secret_0,
                       std::uint64_t secret_1) noexcept;

}  // namespace allcores::concurrency
