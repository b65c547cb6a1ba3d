#include "http/utf8.h"

#include <cstring>

namespace allcores::http {
namespace {

// Past the ASCII at the front, 32 bytes at a time where there are so many.
const unsigned char* skip_ascii(const unsigned char* at, const unsigned char* end) {
    constexpr std::uint64_t high_bits = 0x8080808080808080;
    while (end - at >= 32) {
        std::uint64_t words[4];
        std::memcpy(words, at, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & high_bits) break;
        at += sizeof words;
    }
    while (at != end && *at < 0x80) ++at;
    return at;
}

}  // namespace

bool utf8_check::feed(std::string_view piece) {
    const auto* at = reinterpret_cast<const unsigned char*>(piece.data());
    const unsigned char* end = at + piece.size();
    while (at != end) {
        if (due_ == 0) {
            if (*at < 0x80) at = skip_ascii(at, end);
            if (at == end) break;
            const unsigned char lead = *at++;
            lowest_ = 0x80;
            highest_ = 0xbf;
            if (lead >= 0xc2 && lead <= 0xdf) {
                due_ = 1;
            } else if (lead >= 0xe0 && lead <= 0xef) {
                due_ = 2;
                if (lead == 0xe0) lowest_ = 0xa0;
                if (lead == 0xed) highest_ = 0x9f;
            } else if (lead >= 0xf0 && lead <= 0xf4) {
                due_ = 3;
                if (lead == 0xf0) lowest_ = 0x90;
                if (lead == 0xf4) highest_ = 0x8f;
            } else {
                return false;
            }
        } else {
            if (*at < lowest_ || *at > highest_) return false;
            ++at;
            --due_;
            lowest_ = 0x80;
            highest_ = 0xbf;
        }
    }
    return true;
}

}  // namespace allcores::http
