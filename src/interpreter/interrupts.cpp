#include "interpreter/interrupts.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "data/ref.h"
#include "interpreter/main_thread.h"

namespace allcores::interpreter {
namespace {

using data::ref;

// CPython's _PY_ASYNC_EXCEPTION_BIT (pycore_ceval.h). On a version that is not known nothing is
// raised.
#if PY_VERSION_HEX < 0x03100000
constexpr std::uintptr_t exception_bit = 1U << 3;
#else
constexpr std::uintptr_t exception_bit = 0;
#endif

// Written and read on the main thread and by its signal handler, so without any order.
std::atomic<PyThreadState*> visited{nullptr};
std::atomic<bool> is_interrupted{false};
std::atomic<void (*)(int)> pythons_handler{nullptr};

void on_interrupt(int number) {
    const int before = errno;
    if (const auto next = pythons_handler.load(std::memory_order_relaxed)) next(number);
    PyThreadState* const state = visited.load(std::memory_order_relaxed);
    if (state != nullptr && is_main_thread()) {
        is_interrupted.store(true, std::memory_order_relaxed);
        PyObject* none = nullptr;
        // (An immortal object: no reference is counted.)
        if (std::atomic_ref(state->async_exc)
                .compare_exchange_strong(none, PyExc_KeyboardInterrupt)) {
            std::atomic_ref(state->eval_breaker).fetch_or(exception_bit);
        }
    }
    errno = before;
}

std::uint64_t now() noexcept {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// Puts the handler before Python's, where that raises KeyboardInterrupt. In the main interpreter.
void look_who_handles() noexcept {
    struct sigaction current;
    if (sigaction(SIGINT, nullptr, &current) != 0) return;
    // Whoever replaces Python's handler replaces this one, too.
    if (current.sa_handler == on_interrupt) return;
    if ((current.sa_flags & SA_SIGINFO) != 0 || current.sa_handler == SIG_DFL ||
        current.sa_handler == SIG_IGN) {
        return;
    }
    ref raised = ref::steal(PyErr_GetRaisedException());
    ref module = ref::steal(PyImport_ImportModule("_signal"));
    ref handler, raises;
    if (module) {
        handler = ref::steal(PyObject_CallMethod(module.get(), "getsignal", "i", SIGINT));
        raises = ref::steal(PyObject_GetAttrString(module.get(), "default_int_handler"));
    }
    if (handler && handler.get() == raises.get()) {
        pythons_handler.store(current.sa_handler, std::memory_order_relaxed);
        current.sa_handler = on_interrupt;
        sigaction(SIGINT, &current, nullptr);
    }
    PyErr_SetRaisedException(raised.release());
}

// To look takes longer than a visit: every 10 ms or so.
constexpr std::uint64_t look_again = std::uint64_t{1} << 25;
std::uint64_t looked = 0;  // the main thread's

}  // namespace

thread_local char interrupts::mark_;

void interrupts::begin() noexcept {
    if (exception_bit != 0) main_thread_.store(&mark_, std::memory_order_relaxed);
}

void interrupts::prepare_on_main() noexcept {
    if (const std::uint64_t time = now(); time - looked > look_again) {
        looked = time;
        look_who_handles();
    }
    is_interrupted.store(false, std::memory_order_relaxed);
}

PyThreadState* interrupts::enter_on_main(PyThreadState* state) noexcept {
    // At home CPython does it.
    const bool is_home = state->interp == PyInterpreterState_Main();
    return visited.exchange(is_home ? nullptr : state, std::memory_order_relaxed);
}

void interrupts::leave_on_main(PyThreadState* before) noexcept {
    PyThreadState* const state = visited.exchange(before, std::memory_order_relaxed);
    if (state == nullptr || !is_interrupted.load(std::memory_order_relaxed)) return;
    // It came too late for this visit, and must not come in another one.
    PyObject* set = PyExc_KeyboardInterrupt;
    if (std::atomic_ref(state->async_exc).compare_exchange_strong(set, nullptr))
        std::atomic_ref(state->eval_breaker).fetch_and(~exception_bit);
}

bool interrupts::take() noexcept {
    return main_thread_.load(std::memory_order_relaxed) == &mark_ &&
           PyInterpreterState_Get() == PyInterpreterState_Main() &&
           is_interrupted.exchange(false, std::memory_order_relaxed);
}

}  // namespace allcores::interpreter
