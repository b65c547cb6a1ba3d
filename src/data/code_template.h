// The code of a module in a form from which each interpreter makes code objects of its own.
//
// Each interpreter has to have its own: CPython writes into them while they run. But of what they
// refer to, strings, numbers, tables of lines and tuples of such never change, and are those of the
// process (data/shared_constants.h). For an interpreter that has imported FastAPI that is 6 MiB
// less, and as these need not be read, made, hashed and looked up, it has its code in half the time
// that marshal takes.
//
// Strings are interned: an interpreter has one string of each content that is, and relies on that.
// So all of the process's strings are entered into the interpreter's own table of them, and where
// it has one of its own already, that is taken, with tuples of its own around it. CPython does the
// same with its static strings, and leaves them alone when an interpreter ends.
//
// For src/data only; include it before what includes Python.h.
#pragma once
#include "data/shared_constants.h"
// After CPython's internal headers:
#include <cstddef>
#include <cstdint>
#include <vector>

namespace allcores::data {

// Constant once it is made: any thread, with its interpreter's GIL.
class code_template {
 public:
    // Whether CPython is one whose code objects can be made like this: looked at once, with a GIL.
    static bool is_possible() noexcept;

    // Of code that was just unmarshalled: that nobody has run or looks at, and that goes when the
    // caller lets go of it. False: it has something in it that none has. Throws std::bad_alloc.
    bool take(PyObject* code);

    // A new reference, equal to that code; `interned` is the interpreter's table of interned
    // strings. Null with an exception.
    PyObject* make(PyObject* interned) const noexcept;

    std::size_t bytes() const noexcept;

 private:
    class builder;
    class maker;

    // What a part refers to: an index into one of three lists, with which of them above.
    using place = std::uint32_t;
    enum list : place { of_strings, of_settled, of_made, list_count };
    static constexpr place list_shift = 30;

    std::vector<PyObject*> strings_;  // the process's
    std::vector<PyObject*> settled_;  // what all interpreters have as it is
    // Of what is made: for a tuple of strings and what is settled, the process's own, which is to
    // be taken where all the interpreter's strings are; else null.
    std::vector<PyObject*> alternatives_;
    // How to make them, one after the other, each of those before it; the last is the module's
    // code. Each begins with its kind and a count (code_template_parts.h).
    std::vector<std::uint32_t> steps_;
};

}  // namespace allcores::data
