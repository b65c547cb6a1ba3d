// Who owns an image, for the few calls of CPython that would otherwise mean the main interpreter.
//
// A library's own thread that comes to Python says PyGILState_Ensure(), and CPython takes it into
// the main interpreter. In an image that would mix two interpreters' objects, so there these calls
// lead here (interpreter/image_binding.h): a set of functions for each owner, which knows it by its
// number.
//
// An owner is entered by any thread, as long as its gate is open. close() shuts the gate and waits
// for those inside; the owner's interpreter calls it where CPython's own end would begin to refuse
// threads, after its atexit functions. A thread that comes later hangs, as it would at the end of
// the main interpreter.
#pragma once
#include <Python.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace allcores::interpreter {

class image_owner {
 public:
    // A number is used again only when the images that know it are unloaded.
    static constexpr std::size_t capacity = 1024;

    // The current interpreter becomes an owner. With its GIL. Throws std::runtime_error when all
    // numbers are used.
    static std::size_t add();
    // Shuts the gate and waits at most so long for those inside. Detached, from any thread. False
    // when somebody is still inside.
    [[nodiscard]] static bool close(std::size_t number, std::chrono::milliseconds at_most) noexcept;
    // Before the interpreter's memory goes: nobody comes in any more, not even for a pending call.
    static void shut(std::size_t number) noexcept;
    // No image knows it any more.
    static void free(std::size_t number) noexcept;

    // Which interpreter has the number now. From its images.
    static std::int64_t interpreter_of(std::size_t number) noexcept;

    // While one lives, the owner's interpreter does not end, as for a thread that is in it; this
    // thread may come in by PyGILState_Ensure until then. False when it is too late for that, and
    // when another interpreter has the number.
    class [[nodiscard]] staying {
     public:
        staying(std::size_t number, std::int64_t interpreter) noexcept;
        ~staying();
        staying(const staying&) = delete;
        staying& operator=(const staying&) = delete;
        explicit operator bool() const noexcept { return inside_; }

     private:
        const std::size_t number_;
        const std::size_t before_;
        bool inside_;
    };

    // Whether images call something else by that name.
    static bool replaces(std::string_view name) noexcept;
    // What an image of this owner should use instead of CPython's or the C library's function or
    // variable of that name; null: the same. From any thread.
    static void* replacement(std::size_t number, std::string_view name) noexcept;
};

}  // namespace allcores::interpreter
