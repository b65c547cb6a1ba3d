// Whether bytes that come in pieces are UTF-8 (RFC 3629: shortest forms, no surrogates, nothing
// above U+10FFFF), said at the first byte that can't be part of it. Four bytes of state, its
// owner's; one thread at a time.
#pragma once

#include <cstdint>
#include <string_view>

namespace allcores::http {

class utf8_check {
 public:
    // False: whatever follows, this is not UTF-8. Not to be called again then.
    bool feed(std::string_view piece);

    // Not in the middle of a character.
    bool complete() const { return due_ == 0; }

 private:
    std::uint8_t due_ = 0;  // bytes of this character that are still to come
    // Within these the next of them must be.
    std::uint8_t lowest_ = 0x80, highest_ = 0xbf;
};

inline bool is_utf8(std::string_view text) {
    utf8_check check;
    return check.feed(text) && check.complete();
}

}  // namespace allcores::http
