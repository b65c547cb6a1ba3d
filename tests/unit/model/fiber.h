// A thread of the model: a function on a stack of its own, that runs while somebody switches to it.
// All on one OS thread.
#pragma once
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <vector>

namespace model {

class fiber {
 public:
    // What runs on the OS thread's own stack.
    fiber() = default;
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;

    // Runs the body at the first switch; at its end goes on with `then`, for good.
    void start(std::function<void()> body, fiber& then);
    // From the fiber that runs now.
    void switch_to(fiber& other, bool for_good = false);

 private:
    static void entry(unsigned high, unsigned low);
    void arrive();

    ucontext_t context_{};
    std::vector<char> stack_;
    std::function<void()> body_;
    fiber* then_ = nullptr;
    // AddressSanitizer's.
    void* shadow_ = nullptr;
    const void* bottom_ = nullptr;
    std::size_t size_ = 0;
    fiber* came_from_ = nullptr;
};

}  // namespace model
