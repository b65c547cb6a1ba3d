// The pools of threads of libraries: sized so that interpreters that compute at the same time don't
// get in each other's way.
//
// An interpreter uses its share of the processors: all of them by the number of interpreters. A
// library that is an image asks how many there are when it makes its pool, and is told the share
// (interpreter/image_processors.h). Others are one for the process. A BLAS of that kind has one
// pool, which does one thing at a time: interpreters that each have a core would wait for it. It
// gets the share once, when the first interpreter loads it, as changing it is not safe while
// somebody computes; where the main interpreter has loaded it before, it stays as it is. An OpenMP
// makes a pool for every thread that comes to it, and gets the share whenever it changes. What the
// user has chosen, by an environment variable or at run time, stays.
//
// Callable from any thread, with or without a GIL.
#pragma once
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace allcores::interpreter {

// One interpreter that may use such libraries, while this lives.
class pool_user {
 public:
    pool_user();
    ~pool_user();
    pool_user(const pool_user&) = delete;
    pool_user& operator=(const pool_user&) = delete;
};

// How many processors an interpreter may use; 0: all, as there is none that would share them.
int processors_to_use() noexcept;

// Whether a loaded library is a BLAS, or needs one, and the user has said how large its pool is to
// be. OpenBLAS makes it no larger than the machine.
bool blas_is_chosen(void* handle) noexcept;

// Loads a library, unless it is loaded, by a path or a name. Its number when it is an OpenMP that
// needs other functions. Throws std::runtime_error with the linker's message.
std::optional<std::size_t> load_pool_library(const char* path);

// What an image should call instead of an OpenMP's function of that name; null: the same.
void* pool_replacement(std::size_t openmp, std::string_view name) noexcept;

}  // namespace allcores::interpreter
