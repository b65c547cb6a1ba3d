// A key for content that is looked up by all of it: 128 bits, mixed with a secret of the process.
// Two contents that were not made for it have the same key once in 2^100 tries or so, and who does
// not know the secret can't make any.
//
// Much faster than a hash that has to be the same everywhere: some GiB a second. Plain memory, no
// Python; for any thread.
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

namespace allcores::data {

struct content_key {
    std::uint64_t size, first, second;

    auto operator<=>(const content_key&) const = default;

    static content_key of(std::string_view data) {
        static const std::array<std::uint64_t, 4> secret = [] {
            std::random_device random;
            std::array<std::uint64_t, 4> made{};
            for (auto& each : made) each = (std::uint64_t{random()} << 32 | random()) | 1;
            return made;
        }();
        content_key key{data.size(), secret[0], secret[1]};
        const char* at = data.data();
        std::size_t left = data.size();
        for (; left >= 16; at += 16, left -= 16) key.add(at, 16, secret);
        key.add(at, left, secret);
        key.add(reinterpret_cast<const char*>(&key.size), sizeof key.size, secret);
        return key;
    }

 private:
    using two_words = unsigned __int128;

    // Both halves see both words, each with a multiplier of its own.
    void add(const char* at, std::size_t bytes, const std::array<std::uint64_t, 4>& secret) {
        std::array<std::uint64_t, 2> words{};
        if (bytes != 0) std::memcpy(words.data(), at, bytes);
        first = folded(words[0] ^ first ^ secret[2], words[1] ^ secret[3]) ^ words[1];
        second = folded(words[1] ^ second ^ secret[0], words[0] ^ secret[1]) ^ words[0];
    }
    static std::uint64_t folded(std::uint64_t one, std::uint64_t other) {
        const two_words product = static_cast<two_words>(one) * other;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }
};

}  // namespace allcores::data
