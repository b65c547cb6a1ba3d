// One freeze at work. Containers are opened (given their address in the arena), filled child by
// child and finished (hashed) by an explicit stack of frames, so nesting has no limit but memory,
// and a cycle finds an address to point at.
//
// Two ways of working. Fast: nothing but exact built-in types; no Python code can run, so the GIL
// stays held and borrowed pointers stay good. At the first object of another class it is given up
// for the careful way: what mutable containers hold is copied and kept alive before any code of the
// user's can run.
#pragma once
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "data/freeze_memo.h"
#include "memory/arena.h"

namespace allcores::data {

// A Python exception is set.
struct python_error {};
// The fast way met an object that needs the careful one.
struct needs_care {};

class freezer {
 public:
    explicit freezer(bool careful) : careful_(careful) {}
    ~freezer();
    freezer(const freezer&) = delete;
    freezer& operator=(const freezer&) = delete;

    // The frozen copy, its memory closed. Throws the two above and std::bad_alloc, and leaves
    // nothing behind then.
    PyObject* run(PyObject* root);

 private:
    // What the words of a container's storage are.
    enum class layout : std::uint8_t {
        items,    // each an object
        pairs,    // key, value (a dict's table with str keys only)
        entries,  // hash, key, value
        table,    // key or null, hash (a set)
    };
    enum class sort : std::uint8_t { tuple, set, mapping };

    struct frame {
        PyObject* target;  // in the arena
        PyObject* origin;  // borrowed: what it is made of, for the path in messages
        PyObject* const* source;
        PyObject** slots;                // where the words go: the target's storage, or scratch
        std::size_t next = 0, size = 0;  // in words
        std::size_t held = 0;            // held_.size() when it was opened
        std::unique_ptr<PyObject*[]> scratch = nullptr;
        sort what;
        layout words;
        shape_kind kind = shape_kind::same;
        bool as_key = false;     // it is a key of the parent
        bool converted = false;  // it or something in it may have another hash than its origin
        bool rebuild = false;    // its table has to be made anew
        bool own_hash = false;   // CPython could not hash it
    };

    // Children asked for from memory before they are looked at; hides part of the wait.
    static constexpr std::size_t most_prefetched = 6;

    // freezer.cpp: the walk
    void fill();
    template <layout Words>
    bool advance();
    PyObject* place(PyObject* object);
    PyObject* known(PyObject* object, std::uintptr_t value);
    PyObject* copy(PyObject* object, PyTypeObject* type, shape_word shape);
    void remember(PyObject* object, PyObject* made);
    void finish();

    // freeze_atoms.cpp
    std::byte* allocate_atom(std::size_t bytes, shape_word shape);
    PyObject* copy_int(PyObject* object, shape_word shape);
    PyObject* copy_float(PyObject* object, shape_word shape);
    PyObject* copy_complex(PyObject* object, shape_word shape);
    PyObject* copy_str(PyObject* object, shape_word shape);
    PyObject* copy_bytes(const char* data, std::size_t size, shape_word shape);
    PyObject* copy_range(PyObject* object, shape_word shape);

    // freeze_containers.cpp
    PyObject* allocate_container(std::size_t bytes, PyTypeObject* type, shape_word shape);
    frame& push(PyObject* origin, PyObject* target, sort what, layout words);
    void hold(PyObject* object);
    PyObject* open_items(PyObject* origin, PyObject* const* items, std::size_t size,
                         shape_word shape);
    PyObject* open_set(PyObject* origin, shape_word shape);
    PyObject* open_mapping(PyObject* origin, PyObject* dict, shape_word shape);
    PyDictKeysObject* allocate_table(const PyDictKeysObject* like);
    void check_key(PyObject* key);
    void finish_set(frame& open);
    void finish_mapping(frame& open);

    // freeze_classes.cpp
    PyObject* convert(PyObject* object, PyTypeObject* type, shape_word shape);
    class_shape* describe(shape_kind kind, PyObject* module, PyObject* qualified_name,
                          PyObject* member);
    [[noreturn]] void refuse(PyObject* object, const char* why);
    [[noreturn]] void refuse(const std::string& what);
    std::string path() const;

    const bool careful_;
    memory::arena arena_;
    address_map memo_;  // origin -> target, with the lowest bit for converted
    std::vector<frame> frames_;
    std::vector<PyObject*> held_;        // strong: what open frames read from (careful)
    std::vector<PyObject*> kept_;        // strong: what the memo knows by address (careful)
    PyObject* frozen_module_ = nullptr;  // allcores._frozen
    // What place() found out about the object it just placed.
    bool converted_ = false, own_hash_ = false;
};

}  // namespace allcores::data
