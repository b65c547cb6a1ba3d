// By what allcores.PriorityQueue orders its items: a copy in plain memory of what is comparable in
// an item, made by the sender, so that comparing needs no interpreter.
#pragma once
#include <Python.h>

#include <memory>
#include <string>
#include <vector>

namespace allcores::bindings {

struct priority {
    enum class kind { end, number, text, bytes, tuple };  // in this order among each other
    kind what = kind::end;
    long double number = 0;  // holds every double and every 64-bit integer exactly
    std::string text;        // UTF-8, whose order is that of the code points
    std::vector<priority> parts;

    // With the GIL. A number, str, bytes or tuple of these; of a tuple what comes before the first
    // other thing. Throws python_error: TypeError for anything else, ValueError for NaN,
    // OverflowError for integers of more than 64 bits.
    static std::unique_ptr<priority> of(PyObject* item);

    // Any thread. Less: comes out first.
    bool less(const priority& other) const;
};

}  // namespace allcores::bindings
