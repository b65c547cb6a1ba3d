// Strings, bytes, numbers and tuples of such that are in memory once for all interpreters of the
// process: what modules' code is made of (data/code_template.h). They are frozen objects
// (data/frozen.h), which lie in read-only memory, found again by their content.
//
// What was shared stays until the process ends, also when no interpreter uses it any more.
//
// For src/data only; with a GIL. No Python code runs in here.
#pragma once
#include "data/content_set.h"
// After CPython's internal headers:
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "memory/arena.h"

namespace allcores::data {

// Process-wide and never destroyed, as what it has.
struct shared_constants {
    // Guards all. Held, with some interpreter's GIL, for as long as one module's constants take to
    // be looked up and copied, which neither waits for anything nor runs Python code.
    std::mutex mutex;
    content_set known;
    // Where the next are made. One for many modules, as each has a whole number of pages and is a
    // mapping of its own: so the last ones are not read-only yet.
    std::unique_ptr<memory::arena> arena;

    static shared_constants& of_process();
};

// Finds them, and adds those that are not there yet; has the mutex for as long as it lives. All
// throw std::bad_alloc, and then what was added before stays.
class constants_to_add {
 public:
    constants_to_add() : all_(shared_constants::of_process()), lock_(all_.mutex) {}
    ~constants_to_add();
    constants_to_add(const constants_to_add&) = delete;
    constants_to_add& operator=(const constants_to_add&) = delete;

    // Equal to a string or bytes, and frozen. The string must be compact.
    PyObject* atom(PyObject* object);
    // A str of these ASCII characters, frozen.
    PyObject* name(std::string_view text);
    // Equal to an int, a float or a complex number: a new one each time.
    PyObject* number(PyObject* object);
    // A frozen tuple of what is settled.
    PyObject* tuple(std::span<PyObject* const> items);
    // Runs what must not be done with the mutex, as calls of CPython that allocate: what they call
    // in the end is not ours.
    template <class Body>
    auto without_mutex(Body&& body) {
        lock_.unlock();
        const auto result = body();
        lock_.lock();
        return result;
    }

 private:
    memory::arena& arena();
    PyObject* add(PyObject* made);

    shared_constants& all_;
    std::unique_lock<std::mutex> lock_;
    std::vector<std::uint64_t> scratch_;
};

}  // namespace allcores::data
