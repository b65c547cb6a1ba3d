// How a code_template's steps are written: words of 32 bits.
//
// For code_template*.cpp only.
#pragma once
#include "data/code_template.h"
// After CPython's internal headers:
#include <array>
#include <cstddef>
#include <cstdint>

namespace allcores::data {

enum class step_kind : std::uint32_t {
    tuple,      // count items: places
    frozenset,  // the same
    slice,      // 3 places
    bytes,      // count bytes
    code,       // code_numbers, code_parts places, count units of bytecode
};
inline constexpr std::uint32_t kind_bits = 3;
inline constexpr std::uint32_t most_counted = (1U << (32 - kind_bits)) - 1;

inline constexpr std::size_t words_for(std::size_t bytes) {
    return (bytes + sizeof(std::uint32_t) - 1) / sizeof(std::uint32_t);
}

// The ints of a code object, in their order: they lie together, but for the last.
inline constexpr std::size_t code_first = offsetof(PyCodeObject, co_flags);
inline constexpr std::size_t code_together = offsetof(PyCodeObject, co_version) - code_first;
inline constexpr std::size_t code_numbers = words_for(code_together) + 1;
static_assert(code_together % sizeof(int) == 0 && sizeof(int) == sizeof(std::uint32_t));

inline constexpr std::array code_parts = {
    &PyCodeObject::co_consts,
    &PyCodeObject::co_names,
    &PyCodeObject::co_exceptiontable,
    &PyCodeObject::co_localsplusnames,
    &PyCodeObject::co_localspluskinds,
    &PyCodeObject::co_filename,
    &PyCodeObject::co_name,
    &PyCodeObject::co_qualname,
    &PyCodeObject::co_linetable,
};

inline constexpr std::size_t unit_size = sizeof(std::uint16_t);

}  // namespace allcores::data
