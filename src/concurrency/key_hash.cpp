#include "concurrency/key_hash.h"

#include <bit>
#include <cstring>
#include <random>

namespace allcores::concurrency {
namespace {

struct secret {
    std::uint64_t first, second;
};

const secret& of_process() {
    static const secret made = [] {
        std::random_device random;
        const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
        return secret{word(), word()};
    }();
    return made;
}

struct state {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v2 += v3;
        v1 = std::rotl(v1, 13) ^ v0;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 = std::rotl(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = std::rotl(v1, 17) ^ v2;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 = std::rotl(v2, 32);
    }
    void add(std::uint64_t word) {
        v3 ^= word;
        round();
        v0 ^= word;
    }
};

}  // namespace

std::uint64_t key_hash(std::string_view key, std::uint64_t secret_0,
                       std::uint64_t secret_1) noexcept {
    state now = {secret_0 ^ 0x736f6d6570736575, secret_1 ^ 0x646f72616e646f6d,
                 secret_0 ^ 0x6c7967656e657261, secret_1 ^ 0x7465646279746573};
    const char* at = key.data();
    std::size_t left = key.size();
    for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t)) {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        now.add(word);
        at += sizeof word;
    }
    std::uint64_t last = 0;
    std::memcpy(&last, at, left);
    now.add(last | std::uint64_t{key.size()} << 56);
    now.v2 ^= 0xff;
    for (int i = 0; i < 3; ++i) now.round();
    return now.v0 ^ now.v1 ^ now.v2 ^ now.v3;
}

std::uint64_t key_hash(std::string_view key) noexcept {
    const secret& own = of_process();
    return key_hash(key, own.first, own.second);
}

}  // namespace allcores::concurrency
