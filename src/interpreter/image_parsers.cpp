#include "interpreter/image_parsers.h"

#include <Python.h>

#include <atomic>
#include <mutex>

#include "interpreter/runtime_list.h"

namespace allcores::interpreter {
namespace {

using parser = _PyArg_Parser;

// Where CPython has the first one; parsers are only ever added, in front. Written once.
std::atomic<parser*>* first = nullptr;

const char* const keywords[] = {"", nullptr};
// Ours, by which the list is found: when one has been used for the first time, it is the first. (If
// nobody else was faster.)
parser probes[8];

// What the process has in _PyRuntime that points to `wanted`.
std::atomic<parser*>* pointer_to(const parser* wanted) {
    for (void*& word : runtime_words())
        if (word == wanted) return reinterpret_cast<std::atomic<parser*>*>(&word);
    return nullptr;
}

bool is_in(const parser* one, std::span<const std::pair<std::uintptr_t, std::uintptr_t>> ranges) {
    const auto place = reinterpret_cast<std::uintptr_t>(one);
    for (const auto& [start, end] : ranges)
        if (place >= start && place < end) return true;
    return false;
}

}  // namespace

void find_parsers() noexcept {
    PyObject* nothing = PyTuple_New(0);  // the one of the interpreter
    for (parser& probe : probes) {
        if (first != nullptr) break;
        probe.format = "|O:allcores";
        probe.keywords = keywords;
        PyObject* unused = nullptr;
        if (nothing == nullptr ||
            _PyArg_ParseTupleAndKeywordsFast(nothing, nullptr, &probe, &unused) == 0) {
            PyErr_Clear();
            break;
        }
        first = pointer_to(&probe);
    }
    Py_XDECREF(nothing);
}

bool parsers_are_known() noexcept {
    return first != nullptr;
}

void forget_parsers(std::span<const std::pair<std::uintptr_t, std::uintptr_t>> ranges) noexcept {
    if (first == nullptr) return;
    static std::mutex removing;
    const std::lock_guard lock(removing);
    // Others may add to the front meanwhile, so only that needs care.
    parser* front = first->load();
    while (front != nullptr && is_in(front, ranges)) {
        if (first->compare_exchange_strong(front, front->next)) front = front->next;
    }
    if (front == nullptr) return;
    for (parser* one = front; one->next != nullptr;) {
        if (is_in(one->next, ranges)) {
            one->next = one->next->next;
        } else {
            one = one->next;
        }
    }
}

}  // namespace allcores::interpreter
