#include "data/marshalled_names.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace allcores::data {
namespace {

class reader {
 public:
    reader(std::string_view data, const std::function<void(std::string_view)>& found)
        : left_(data), found_(found) {}

    // One object with all that is in it. False: there is no more to be found.
    bool object() {
        std::string_view type;
        if (!take(1, type)) return false;
        switch (static_cast<unsigned char>(type[0]) &
                0x7F) {  // the rest says whether it comes again
            case '0':    // null, also the end of a dict
                at_end_ = true;
                return true;
            case 'N':
            case 'F':
            case 'T':
            case 'S':
            case '.':
                return true;
            case 'i':
            case 'r':
                return skip(4);
            case 'I':
            case 'g':
                return skip(8);
            case 'y':
                return skip(16);
            case 'f':
                return skip(byte());
            case 'x':
                return skip(byte()) && skip(byte());
            case 'l': {
                const auto digits = static_cast<std::int32_t>(word());
                return skip(2 * static_cast<std::size_t>(digits < 0 ? -std::int64_t{digits}
                                                                    : std::int64_t{digits}));
            }
            case 's':
            case 't':
            case 'u':
            case 'a':
                return skip(word());
            case 'z':
                return skip(byte());
            case 'A':
                return name(word());
            case 'Z':
                return name(byte());
            case ')':
                return objects(byte());
            case '(':
            case '[':
            case '<':
            case '>':
                return objects(word());
            case ':':
                return objects(3);
            case '{':
            case '}':
                return mapping();
            case 'c':
                // Five numbers; code, constants, names, variables and their kinds, file, name,
                // qualified name; the line; tables of lines and of exceptions.
                return skip(20) && objects(8) && skip(4) && objects(2);
            default:
                return false;
        }
    }

 private:
    static bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

    static constexpr int deepest = 2000;  // as CPython's own

    bool take(std::size_t size, std::string_view& taken) {
        if (size > left_.size()) return false;
        taken = left_.substr(0, size);
        left_.remove_prefix(size);
        return true;
    }
    bool skip(std::size_t size) {
        std::string_view ignored;
        return take(size, ignored);
    }
    // Sizes. Where the data ends in one: more than there is.
    std::size_t byte() {
        std::string_view taken;
        return take(1, taken) ? static_cast<unsigned char>(taken[0]) : left_.size() + 1;
    }
    std::size_t word() {
        std::string_view taken;
        if (!take(4, taken)) return left_.size() + 1;
        std::size_t value = 0;
        for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(taken[i]);
        return value;
    }
    bool name(std::size_t size) {
        std::string_view text;
        // (Data that is none of CPython's may say so of anything.)
        if (!take(size, text) || !std::ranges::all_of(text, is_ascii)) return false;
        if (size > 1) found_(text);
        return true;
    }
    bool objects(std::size_t count) {
        if (depth_ == deepest) return false;
        depth_++;
        bool all = true;
        for (; count > 0 && all; count--) all = object();
        depth_--;
        return all;
    }
    // Keys and values, until a null.
    bool mapping() {
        if (depth_ == deepest) return false;
        depth_++;
        bool all = true;
        for (at_end_ = false; all && !at_end_;) all = object();
        at_end_ = false;
        depth_--;
        return all;
    }

    std::string_view left_;
    const std::function<void(std::string_view)>& found_;
    int depth_ = 0;
    bool at_end_ = false;
};

}  // namespace

void each_marshalled_name(std::string_view data,
                          const std::function<void(std::string_view)>& found) {
    reader(data, found).object();
}

}  // namespace allcores::data
