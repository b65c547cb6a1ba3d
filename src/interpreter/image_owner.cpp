// PyGILState_Ensure and its kin, for the images of one interpreter.
#include "interpreter/image_owner.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "interpreter/image_allocation.h"
#include "interpreter/image_libc.h"
#include "interpreter/image_life.h"
#include "interpreter/image_thread_end.h"

// Exported by CPython 3.14 and 3.15 (pycore_ceval.h); Py_AddPendingCall is this for the main one.
extern "C" int _PyEval_AddPendingCall(PyInterpreterState* interpreter, int (*function)(void*),
                                      void* argument, int flags);

namespace allcores::interpreter {
namespace {

constexpr std::uint32_t shut_bit = 1u << 31;

// Who may come in, and how many are inside. All operations are sequentially consistent; who shuts
// it and waits sees what they did who left.
class gate {
 public:
    bool enter() noexcept {
        if ((state_.fetch_add(1) & shut_bit) == 0) return true;
        state_.fetch_sub(1);
        return false;
    }
    // For a thread that is inside already.
    void enter_again() noexcept { state_.fetch_add(1); }
    void leave() noexcept { state_.fetch_sub(1); }
    void shut() noexcept { state_.fetch_or(shut_bit); }
    // Who tries in vain at this moment is counted for some instructions more.
    void open() noexcept { state_.fetch_and(~shut_bit); }
    bool is_empty() const noexcept { return (state_.load() & ~shut_bit) == 0; }

 private:
    std::atomic<std::uint32_t> state_ = 0;  // bit 31: shut; below: how many are inside
};

struct owner {
    // Written by add() before any image knows the number; read by every thread that is in an image.
    std::atomic<std::int64_t> id = -1;
    PyInterpreterState* state = nullptr;  // valid while a gate is open, or somebody is inside
    gate running;  // for those who run Python: shut where CPython's own end begins
    gate pending;  // for Py_AddPendingCall, which threads call that end later: shut at the very end
};

owner owners[image_owner::capacity];

// Which numbers are to be had. Never destroyed: interpreters come and go while the process ends.
struct supply {
    std::mutex mutex;  // guards what follows
    std::size_t used = 0;
    std::vector<std::size_t> free;
};
supply& numbers() {
    static auto* all = new supply;
    return *all;
}

// A thread that came from outside into an owner, innermost first; one list for each thread. Nothing
// here has a destructor: threads come here while their thread-locals are being destroyed, too.
struct visit {
    PyThreadState* made;
    PyThreadState* before;
    visit* outer;
    int again;  // how often it was ensured again when the thread had let go of the GIL
};
thread_local visit* innermost = nullptr;
thread_local std::size_t staying_in = image_owner::capacity;  // that: in none

// Where CPython 3.14 lets a thread hang that comes after the end.
[[noreturn]] void hang() noexcept {
    if (PyThreadState_GetUnchecked() != nullptr) PyEval_SaveThread();
    for (;;) pause();
}

PyGILState_STATE ensure(std::size_t number) noexcept {
    owner& own = owners[number];
    // A thread of the owner's (its worker, a threading.Thread, one that came in here before) goes
    // CPython's own way, so that its running loop, context and depth of recursion stay those of its
    // one state. Numbers of interpreters are never used twice, so this can't be another one.
    PyThreadState* last = PyGILState_GetThisThreadState();
    if (last != nullptr && PyInterpreterState_GetID(PyThreadState_GetInterpreter(last)) == own.id) {
        const PyGILState_STATE before = PyGILState_Ensure();
        if (before == PyGILState_UNLOCKED && innermost != nullptr && innermost->made == last)
            innermost->again++;
        return before;
    }
    if (staying_in == number)
        own.running.enter_again();
    else if (!own.running.enter())
        hang();
    PyThreadState* made = PyThreadState_New(own.state);
    auto* entry = static_cast<visit*>(PyMem_RawMalloc(sizeof(visit)));
    if (made == nullptr || entry == nullptr)
        Py_FatalError("no memory for a thread that enters an interpreter");
    *entry = {made, PyThreadState_Swap(made), innermost, 0};  // leaves the interpreter it was in
    innermost = entry;
    return PyGILState_UNLOCKED;
}

// Whatever was ensured inside of a visit went CPython's own way and counted its state up. cffi does
// so once more, to keep the state for the thread's next callback: that gets another one, as nobody
// could tell when a thread that kept one comes back, and the owner could never end. (Its callbacks
// inside of a visit count up by themselves: then Python is running further out.)
bool is_at_its_end(const visit& entry, PyGILState_STATE before) noexcept {
    if (entry.made->gilstate_counter == 1) return true;
    if (before != PyGILState_UNLOCKED || entry.again > 0) return false;
    PyFrameObject* running = PyThreadState_GetFrame(entry.made);
    Py_XDECREF(running);
    return running == nullptr;
}

void release(std::size_t number, PyGILState_STATE before) noexcept {
    visit* entry = innermost;
    const bool is_ours = entry != nullptr && entry->made == PyThreadState_GetUnchecked();
    if (!is_ours || !is_at_its_end(*entry, before)) {
        if (is_ours && before == PyGILState_UNLOCKED && entry->again > 0) entry->again--;
        PyGILState_Release(before);
        return;
    }
    innermost = entry->outer;
    PyThreadState_Clear(entry->made);
    PyThreadState_Swap(entry->before);
    PyThreadState_Delete(entry->made);
    PyMem_RawFree(entry);
    owners[number].running.leave();
}

// To code in an image its owner is the only interpreter there is.
PyInterpreterState* main_interpreter(std::size_t number) noexcept {
    return owners[number].state;
}

int add_pending_call(std::size_t number, int (*function)(void*), void* argument) noexcept {
    owner& own = owners[number];
    if (!own.pending.enter()) return -1;
    const int result = _PyEval_AddPendingCall(own.state, function, argument, 0);
    own.pending.leave();
    return result;
}

// CPython's functions may also be looked for at run time: llvmlite does for what it compiles.
void* replacement_of_symbol(std::size_t number, void* handle, const char* name) noexcept {
    void* own = image_owner::replacement(number, name);
    if (own == nullptr) own = image_life::replacement(name);
    if (own == nullptr || std::string_view(name) == "dlsym") return nullptr;
    void* found = dlsym(handle, name);
    // Somebody else's function of that name stays.
    return found == dlsym(RTLD_DEFAULT, name) ? own : nullptr;
}

// What dlsym() finds may depend on who calls it, so it must not see a caller in between.
template <std::size_t Number>
void* find_symbol(void* handle, const char* name) noexcept {
    if (void* own = replacement_of_symbol(Number, handle, name)) return own;
    [[gnu::musttail]] return dlsym(handle, name);
}

// The calls carry no argument that could say whose they are, so each owner has functions of its
// own.
struct entry_points {
    PyGILState_STATE (*ensure)();
    void (*release)(PyGILState_STATE);
    PyInterpreterState* (*main_interpreter)();
    int (*add_pending_call)(int (*)(void*), void*);
    void* (*find_symbol)(void*, const char*);
};

template <std::size_t Number>
constexpr entry_points entry_points_of = {
    [] { return ensure(Number); },
    [](PyGILState_STATE before) { release(Number, before); },
    [] { return main_interpreter(Number); },
    [](int (*function)(void*), void* argument) {
        return add_pending_call(Number, function, argument);
    },
    find_symbol<Number>,
};

template <std::size_t... Number>
constexpr std::array<entry_points, sizeof...(Number)> all_of(std::index_sequence<Number...>) {
    return {entry_points_of<Number>...};
}
constexpr auto table = all_of(std::make_index_sequence<image_owner::capacity>());

}  // namespace

std::size_t image_owner::add() {
    supply& all = numbers();
    const std::lock_guard lock(all.mutex);
    const bool is_used_again = !all.free.empty();
    if (!is_used_again && all.used == capacity) {
        throw std::runtime_error("this process has " + std::to_string(capacity) +
                                 " interpreters with C extensions that are in use or could not be "
                                 "unloaded, and can have no more; keep interpreters instead of "
                                 "replacing them");
    }
    const std::size_t number = is_used_again ? all.free.back() : all.used;
    begin_libc_state(number);
    begin_allocations(number);
    if (is_used_again) {
        all.free.pop_back();
    } else {
        all.used++;
    }
    owners[number].state = PyInterpreterState_Get();
    owners[number].id = PyInterpreterState_GetID(owners[number].state);
    owners[number].running.open();
    owners[number].pending.open();
    return number;
}

void image_owner::free(std::size_t number) noexcept {
    owners[number].id = -1;
    owners[number].state = nullptr;
    supply& all = numbers();
    const std::lock_guard lock(all.mutex);
    all.free.push_back(number);
}

void image_owner::shut(std::size_t number) noexcept {
    owners[number].running.shut();
    owners[number].pending.shut();
    // Nobody is in there for long: it takes one mutex of CPython's, and no GIL.
    while (!owners[number].pending.is_empty()) std::this_thread::yield();
}

bool image_owner::close(std::size_t number, std::chrono::milliseconds at_most) noexcept {
    owners[number].running.shut();
    const auto deadline = std::chrono::steady_clock::now() + at_most;
    while (!owners[number].running.is_empty()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

std::int64_t image_owner::interpreter_of(std::size_t number) noexcept {
    return owners[number].id;
}

image_owner::staying::staying(std::size_t number, std::int64_t interpreter) noexcept
    : number_(number), before_(staying_in), inside_(owners[number].running.enter()) {
    if (inside_ && owners[number].id != interpreter) {
        owners[number].running.leave();
        inside_ = false;
    }
    if (inside_) staying_in = number;
}

image_owner::staying::~staying() {
    if (!inside_) return;
    staying_in = before_;
    owners[number_].running.leave();
}

bool image_owner::replaces(std::string_view name) noexcept {
    return libc_replaces(name) || replacement(0, name) != nullptr;
}

void* image_owner::replacement(std::size_t number, std::string_view name) noexcept {
    const entry_points& own = table[number];
    if (name == "PyGILState_Ensure") return reinterpret_cast<void*>(own.ensure);
    if (name == "PyGILState_Release") return reinterpret_cast<void*>(own.release);
    if (name == "PyInterpreterState_Main") return reinterpret_cast<void*>(own.main_interpreter);
    if (name == "Py_AddPendingCall") return reinterpret_cast<void*>(own.add_pending_call);
    if (name == "dlsym") return reinterpret_cast<void*>(own.find_symbol);
    if (void* found = libc_replacement(number, name)) return found;
    return thread_end_replacement(number, name);
}

}  // namespace allcores::interpreter
