#include "http/sha1.h"

#include <gtest/gtest.h>

namespace allcores::http {
namespace {

std::string hex(std::string_view message) {
    std::string text;
    for (const std::uint8_t byte : sha1(message)) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

TEST(Sha1, VectorsOfRfc3174) {
    EXPECT_EQ(hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    EXPECT_EQ(hex(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    std::string digits;
    for (int i = 0; i < 80; ++i) digits += "01234567";
    EXPECT_EQ(hex(digits), "dea356a2cddd90c7a7ecedc5ebb563934f460452");
    EXPECT_EQ(hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

// Around the sizes at which the length gets a block of its own.
TEST(Sha1, EndsOfBlocks) {
    EXPECT_EQ(hex(std::string(55, 'a')), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    EXPECT_EQ(hex(std::string(56, 'a')), "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    EXPECT_EQ(hex(std::string(63, 'a')), "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
    EXPECT_EQ(hex(std::string(64, 'a')), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

TEST(Base64, VectorsOfRfc4648) {
    EXPECT_EQ(to_base64(""), "");
    EXPECT_EQ(to_base64("f"), "Zg==");
    EXPECT_EQ(to_base64("fo"), "Zm8=");
    EXPECT_EQ(to_base64("foo"), "Zm9v");
    EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
    EXPECT_EQ(to_base64("fooba"), "Zm9vYmE=");
    EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
    EXPECT_EQ(to_base64("\xfb\xff\xfe"), "+//+");
}

TEST(Base64, OfSoManyBytes) {
    EXPECT_TRUE(is_base64_of("dGhlIHNhbXBsZSBub25jZQ==", 16));
    EXPECT_TRUE(is_base64_of("+/8=", 2));
    EXPECT_TRUE(is_base64_of("", 0));
    for (const char* wrong :
         {"dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "",
          "dGhlIHNhbXBsZSBub25jZQa=", "dGhlIHNhbXBsZSBub25jZ===", "dGhlIHNhbXBsZSBub25jZQaa",
          "dGhlIHNhbXBsZS_ub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ==dGhl", "dGhlIHNhbXBs ZSBub25jZQ="}) {
        EXPECT_FALSE(is_base64_of(wrong, 16)) << wrong;
    }
}

}  // namespace
}  // namespace allcores::http
