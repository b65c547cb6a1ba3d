// CPython's list of argument parsers, of which some are in images.
//
// Argument Clinic's functions have a static _PyArg_Parser each, and CPython links those that were
// used into one list of the process, which it walks at its end. An image that is unloaded must not
// be in it. (_ctypes has such functions; others may.)
#pragma once
#include <cstdint>
#include <span>
#include <utility>

namespace allcores::interpreter {

// Finds the list. With the main interpreter's GIL, before any image is made.
void find_parsers() noexcept;
// Whether it was found; else images that have parsers can't be unloaded.
bool parsers_are_known() noexcept;
// Takes those out of the list that are in one of the ranges (start and end). From any thread, when
// no code that is there can run any more.
void forget_parsers(std::span<const std::pair<std::uintptr_t, std::uintptr_t>> ranges) noexcept;

}  // namespace allcores::interpreter
