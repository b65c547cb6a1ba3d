// Weak references that an extension module makes through the C interface.
//
// A weak reference is written into its object, and a frozen set's memory is read-only: the write
// would end the process. Python code is told so by a TypeError (data/frozen_weakrefs.cpp); what an
// image calls by these names tells it to C code too. With the GIL, as CPython's own.
#pragma once
#include <string_view>

namespace allcores::interpreter {

// What an image should call instead of CPython's function of that name; null: the same. From any
// thread.
void* weakref_replacement(std::string_view name) noexcept;

}  // namespace allcores::interpreter
