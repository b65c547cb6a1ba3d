// Who has a connection: one word, changed by compare-and-swap, so that one thread at a time serves
// it though every thread waits on the same event set, and no event is lost.
//
//   free     in the pool, no socket. Events that are reported late end here.
//   idle     nobody has it; the next event, or a timeout, takes it.
//   busy     one thread, the owner, has it.
//   pending  busy, and an event came meanwhile: the owner looks again before it lets go.
//
// Whoever makes busy out of another state has acquired everything the last owner released: the
// fields of the connection need no other guard. Timeouts and the server's stop take a connection by
// the same steps as events do.
#pragma once

#include <atomic>
#include <cstdint>

namespace allcores::http {

class ownership {
 public:
    // free → busy. By the thread that took the connection out of the pool, which nobody else can do
    // at the same time.
    void claim() { state_.store(busy, std::memory_order_relaxed); }

    // An event came. True: idle → busy, the caller is the owner. False: busy → pending, the owner
    // will see to it; or the event was for nobody.
    [[nodiscard]] bool acquire_for_event() {
        std::uint32_t seen = state_.load(std::memory_order_relaxed);
        for (;;) {
            if (seen == idle) {
                // Acquires what release() and claim-and-release of the last owner published.
                if (state_.compare_exchange_weak(seen, busy, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) {
                    return true;
                }
            } else if (seen == busy) {
                // Released to the owner's release(), which acquires it, and with it the caller's
                // knowledge.
                if (state_.compare_exchange_weak(seen, pending, std::memory_order_release,
                                                 std::memory_order_relaxed)) {
                    return false;
                }
            } else {
                return false;
            }
        }
    }

    // idle → busy, or nothing: for timeouts, which have nothing to say about a connection that
    // somebody serves.
    [[nodiscard]] bool acquire_if_idle() {
        std::uint32_t expected = idle;
        return state_.compare_exchange_strong(expected, busy, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }

    // The owner is done. True: busy → idle. False: pending → busy, an event came, the caller is the
    // owner still.
    [[nodiscard]] bool release() {
        std::uint32_t expected = busy;
        if (state_.compare_exchange_strong(expected, idle, std::memory_order_release,
                                           std::memory_order_relaxed)) {
            return true;
        }
        // Only an event changes the state of a busy connection, to pending, and nobody changes that
        // but we. An exchange, not a store, to acquire what the event's thread released.
        state_.exchange(busy, std::memory_order_acquire);
        return false;
    }

    // busy or pending → free: the owner has closed the connection. The pool's mutex publishes it to
    // the next claim().
    void retire() { state_.store(free, std::memory_order_release); }

 private:
    enum : std::uint32_t { free, idle, busy, pending };
    std::atomic<std::uint32_t> state_{free};
};

static_assert(sizeof(ownership) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace allcores::http
