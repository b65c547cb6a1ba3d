#include "fiber.h"

#include <cstdint>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace model {
namespace {

// Small: AddressSanitizer clears its notes on all of it at each switch.
constexpr std::size_t stack_size = 64 << 10;

}  // namespace

void fiber::start(std::function<void()> body, fiber& then) {
    body_ = std::move(body);
    then_ = &then;
    stack_.resize(stack_size);
    bottom_ = stack_.data();
    size_ = stack_.size();
    shadow_ = nullptr;
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_.data();
    context_.uc_stack.ss_size = stack_.size();
    context_.uc_link = nullptr;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&context_, reinterpret_cast<void (*)()>(entry), 2,
                static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

void fiber::entry(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<fiber*>(static_cast<std::uintptr_t>(high) << 32 | low);
    self->arrive();
    self->body_();
    self->body_ = nullptr;
    self->switch_to(*self->then_, true);
}

void fiber::switch_to(fiber& other, [[maybe_unused]] bool for_good) {
    other.came_from_ = this;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(for_good ? nullptr : &shadow_, other.bottom_, other.size_);
#endif
    swapcontext(&context_, &other.context_);
    arrive();
}

void fiber::arrive() {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(shadow_, &bottom, &size);
    // What the OS thread's own stack is, is known only now.
    came_from_->bottom_ = bottom;
    came_from_->size_ = size;
#endif
}

}  // namespace model
