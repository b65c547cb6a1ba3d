// Functions of the C library's that return what their next call overwrites, for images: the results
// are the thread's (interpreter/image_libc.h).
#pragma once
#include <string_view>

namespace allcores::interpreter {

// What an image should call instead of the function of that name; null: the same.
void* libc_result_replacement(std::string_view name) noexcept;

}  // namespace allcores::interpreter
