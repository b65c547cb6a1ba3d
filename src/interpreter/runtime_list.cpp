#include "interpreter/runtime_list.h"

#include <cstdint>
#include <cstring>

extern "C" {
// Exported by CPython, declared in its internal headers only.
extern char _PyRuntime[];
}

namespace allcores::interpreter {
namespace {

// The beginning of _Py_DebugOffsets, equal in all versions that have it.
struct debug_offsets {
    char cookie[8];
    std::uint64_t version;
    std::uint64_t free_threaded;
    struct {
        std::uint64_t size;
        std::uint64_t finalizing;
        std::uint64_t interpreters_head;
    } runtime_state;
    struct {
        std::uint64_t size;
        std::uint64_t id;
        std::uint64_t next;
    } interpreter_state;
};

const debug_offsets& offsets() {
    return *reinterpret_cast<const debug_offsets*>(_PyRuntime);
}

PyInterpreterState** head() {
    return reinterpret_cast<PyInterpreterState**>(_PyRuntime +
                                                  offsets().runtime_state.interpreters_head);
}

PyInterpreterState** next_of(PyInterpreterState* interpreter) {
    return reinterpret_cast<PyInterpreterState**>(reinterpret_cast<char*>(interpreter) +
                                                  offsets().interpreter_state.next);
}

// The lock of the list: struct pyinterpreters is { PyMutex mutex; PyInterpreterState *head; ... }
// in 3.13 to 3.15.
class list_lock {
 public:
    list_lock() { PyMutex_Lock(mutex()); }
    ~list_lock() { PyMutex_Unlock(mutex()); }

 private:
    static PyMutex* mutex() {
        return reinterpret_cast<PyMutex*>(reinterpret_cast<char*>(head()) - sizeof(void*));
    }
};

}  // namespace

bool runtime_list_known() noexcept {
    const debug_offsets& known = offsets();
    return std::memcmp(known.cookie, "xdebugpy", 8) == 0 &&
           known.version >> 16 == PY_VERSION_HEX >> 16 &&
           known.runtime_state.interpreters_head + sizeof(void*) <= known.runtime_state.size &&
           known.interpreter_state.next + sizeof(void*) <= known.interpreter_state.size;
}

// The lock of the list of interpreters is that of their lists of threads, too.
std::vector<pid_t> python_threads() {
    std::vector<pid_t> numbers;
    if (!runtime_list_known()) return numbers;
    const list_lock lock;
    for (PyInterpreterState* each = *head(); each != nullptr; each = *next_of(each)) {
        for (const PyThreadState* state = PyInterpreterState_ThreadHead(each); state != nullptr;
             state = state->next) {
            numbers.push_back(static_cast<pid_t>(state->native_thread_id));
        }
    }
    return numbers;
}

std::span<void*> runtime_words() noexcept {
    if (!runtime_list_known()) return {};
    return {reinterpret_cast<void**>(_PyRuntime), offsets().runtime_state.size / sizeof(void*)};
}

bool unlink_from_runtime(PyInterpreterState* interpreter) noexcept {
    if (!runtime_list_known()) return false;
    const list_lock lock;
    for (PyInterpreterState** link = head(); *link != nullptr; link = next_of(*link)) {
        if (*link == interpreter) {
            *link = *next_of(interpreter);
            return true;
        }
    }
    return false;
}

void relink_to_runtime(PyInterpreterState* interpreter) noexcept {
    if (!runtime_list_known()) return;
    const list_lock lock;
    *next_of(interpreter) = *head();
    *head() = interpreter;
}

}  // namespace allcores::interpreter
