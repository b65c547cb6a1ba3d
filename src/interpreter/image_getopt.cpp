#include "interpreter/image_getopt.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace allcores::interpreter {
namespace {

bool is_option(const char* word) noexcept {
    return word[0] == '-' && word[1] != 0;
}

// Whether it makes no difference which of the two was meant.
bool are_equal(const option& one, const option& other) noexcept {
    return one.has_arg == other.has_arg && one.flag == other.flag && one.val == other.val;
}

}  // namespace

int option_parser::next(int count, char* const* words, const char* letters, const option* known,
                        int* known_index, kind how) noexcept {
    if (count < 1) return -1;
    argument = nullptr;
    if (index == 0 || !begun_) begin(letters, how);
    if (letters[0] == '-' || letters[0] == '+') letters++;
    const call its = {
        .count = count,
        .words = const_cast<char**>(words),  // GNU's reorders them too
        .letters = letters,
        .known = known,
        .known_index = known_index,
        .long_only = how == kind::long_only,
        .says_errors = print_errors != 0 && letters[0] != ':',
    };
    int result;
    const bool is_at_end = rest_ == nullptr || *rest_ == 0;
    if (!is_at_end || !find_word(its, result)) result = next_letter(its);
    unknown = unknown_;
    return result;
}

void option_parser::begin(const char* letters, kind how) noexcept {
    if (index == 0) index = 1;
    others_ = others_end_ = index;
    rest_ = nullptr;
    if (letters[0] == '-') {
        order_ = order::in_place;
    } else if (letters[0] == '+' || how == kind::posix ||
               std::getenv("POSIXLY_CORRECT") != nullptr) {
        order_ = order::stop;
    } else {
        order_ = order::permute;
    }
    begun_ = true;
}

// Options were read behind the other words: they change places.
void option_parser::move_others_back(char** words) noexcept {
    if (others_ != others_end_ && others_end_ != index) {
        std::rotate(words + others_, words + others_end_, words + index);
        others_ += index - others_end_;
    } else if (others_ == others_end_) {
        others_ = index;
    }
    others_end_ = index;
}

// Goes to the next word with an option. True when that is all for this call, with its result.
bool option_parser::find_word(const call& its, int& result) noexcept {
    // The program may have gone back.
    others_end_ = std::min(others_end_, index);
    others_ = std::min(others_, index);
    if (order_ == order::permute) {
        move_others_back(its.words);
        while (index < its.count && !is_option(its.words[index])) index++;
        others_end_ = index;
    }
    if (index < its.count && std::string_view(its.words[index]) == "--") {
        index++;
        move_others_back(its.words);
        others_end_ = index = its.count;
    }
    result = -1;
    if (index >= its.count) {
        if (others_ != others_end_) index = others_;
        return true;
    }
    char* word = its.words[index];
    if (!is_option(word)) {
        if (order_ == order::stop) return true;
        argument = word;
        index++;
        result = 1;
        return true;
    }
    if (its.known != nullptr) {
        if (word[1] == '-') {
            rest_ = word + 2;
            result = next_long(its, "--");
            return true;
        }
        if (its.long_only && (word[2] != 0 || std::strchr(its.letters, word[1]) == nullptr)) {
            rest_ = word + 1;
            result = next_long(its, "-");
            if (result != -1) return true;
        }
    }
    rest_ = word + 1;
    return false;
}

int option_parser::next_letter(const call& its) noexcept {
    const char letter = *rest_++;
    const char* found = std::strchr(its.letters, letter);
    if (*rest_ == 0) index++;
    if (found == nullptr || letter == ':' || letter == ';') {
        if (its.says_errors)
            std::fprintf(stderr, "%s: invalid option -- '%c'\n", its.words[0], letter);
        unknown_ = letter;
        return '?';
    }
    const bool is_long = found[0] == 'W' && found[1] == ';' && its.known != nullptr;
    if (!is_long && found[1] != ':') return letter;
    if (!is_long && found[2] == ':') {
        if (*rest_ != 0) {
            argument = rest_;
            index++;
        }
        rest_ = nullptr;
        return letter;
    }
    if (*rest_ != 0) {
        argument = rest_;
        if (!is_long) index++;
    } else if (index == its.count) {
        if (its.says_errors) {
            std::fprintf(stderr, "%s: option requires an argument -- '%c'\n", its.words[0], letter);
        }
        unknown_ = letter;
        if (!is_long) rest_ = nullptr;
        return its.missing();
    } else {
        argument = its.words[index];
        if (!is_long) index++;
    }
    if (!is_long) {
        rest_ = nullptr;
        return letter;
    }
    rest_ = argument;
    argument = nullptr;
    call inner = its;
    inner.long_only = false;
    return next_long(inner, "-W ");
}

// By its name, or an abbreviation that means one. Null when there is none; when there are several
// an option without a name.
const option* option_parser::find_long(const call& its, int length, const char* prefix) noexcept {
    static constexpr option several = {};
    const auto begins = [&](const option& each) {
        return std::strncmp(each.name, rest_, static_cast<std::size_t>(length)) == 0;
    };
    const option* found = nullptr;
    bool is_clear = true;
    for (const option* each = its.known; each->name != nullptr; each++) {
        if (!begins(*each)) continue;
        if (each->name[length] == 0) return each;
        if (found == nullptr) {
            found = each;
        } else if (its.long_only || !are_equal(*found, *each)) {
            is_clear = false;
        }
    }
    if (is_clear) return found;
    if (its.says_errors) {
        flockfile(stderr);
        std::fprintf(stderr, "%s: option '%s%s' is ambiguous; possibilities:", its.words[0], prefix,
                     rest_);
        for (const option* each = its.known; each->name != nullptr; each++)
            if (begins(*each) && (its.long_only || each == found || !are_equal(*found, *each)))
                std::fprintf(stderr, " '%s%s'", prefix, each->name);
        std::fprintf(stderr, "\n");
        funlockfile(stderr);
    }
    return &several;
}

int option_parser::next_long(const call& its, const char* prefix) noexcept {
    const int length = static_cast<int>(std::strcspn(rest_, "="));
    const option* found = find_long(its, length, prefix);
    if (found == nullptr) {
        // It may be a word of letters.
        if (its.long_only && its.words[index][1] != '-' &&
            std::strchr(its.letters, *rest_) != nullptr) {
            return -1;
        }
        if (its.says_errors) {
            std::fprintf(stderr, "%s: unrecognized option '%s%s'\n", its.words[0], prefix, rest_);
        }
    }
    char* value = rest_[length] == 0 ? nullptr : rest_ + length + 1;
    rest_ = nullptr;
    index++;
    if (found == nullptr || found->name == nullptr) {
        unknown_ = 0;
        return '?';
    }
    if (value != nullptr && found->has_arg == no_argument) {
        if (its.says_errors) {
            std::fprintf(stderr, "%s: option '%s%s' doesn't allow an argument\n", its.words[0],
                         prefix, found->name);
        }
        unknown_ = found->val;
        return '?';
    }
    if (value == nullptr && found->has_arg == required_argument) {
        if (index >= its.count) {
            if (its.says_errors) {
                std::fprintf(stderr, "%s: option '%s%s' requires an argument\n", its.words[0],
                             prefix, found->name);
            }
            unknown_ = found->val;
            return its.missing();
        }
        value = its.words[index++];
    }
    argument = value;
    if (its.known_index != nullptr) *its.known_index = static_cast<int>(found - its.known);
    if (found->flag == nullptr) return found->val;
    *found->flag = found->val;
    return 0;
}

}  // namespace allcores::interpreter
