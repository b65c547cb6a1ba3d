// Threads that images start: counted, and ended when they only wait for work that never comes.
//
// Libraries keep pools of threads, which wait in a futex for as long as the process lives. When the
// interpreter of the image has ended, nobody will ever wake them, and they keep its memory. Such a
// thread can be ended, as long as it is certain that it does wait: a signal stops it, its handler
// sees by the registers that it was in the very system call where it was seen waiting before, and
// holds it there. If that is so for all threads of an interpreter's images, they jump back to where
// they began, and end there as any thread does; if one of them does anything else, all go on as
// after a spurious wake-up.
//
// Callable from any thread.
#pragma once
#include <sys/types.h>

#include <memory>
#include <string_view>
#include <vector>

namespace allcores::interpreter {

class image_life;
struct image_thread;

// What an image should call instead of the function of that name; null: the same. From any thread.
void* thread_replacement(std::string_view name) noexcept;

// Its number of the OS; 0 when it does not run the image's function.
pid_t number_of(const image_thread& thread) noexcept;

// All threads of a life, held where they wait.
class held_threads {
 public:
    // Empty and false when one of them does not wait. Detached.
    explicit held_threads(image_life& life) noexcept;
    // Lets them go on.
    ~held_threads();
    held_threads(const held_threads&) = delete;
    held_threads& operator=(const held_threads&) = delete;

    explicit operator bool() const noexcept { return complete_; }
    // Ends them, and waits for that. False when they are not gone after a second.
    [[nodiscard]] bool end() noexcept;

 private:
    image_life& life_;
    std::vector<std::shared_ptr<image_thread>> held_;
    bool complete_ = false;
};

}  // namespace allcores::interpreter
