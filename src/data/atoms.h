// Values that cross from one interpreter to another for now: None, bool, int, float, complex, str,
// bytes, tuples of them, and frozen objects, which go by their address and are read in place.
// Everything else is a TypeError that says where it is and what to do.
//
// encode() runs with the sender's GIL, decode() with the receiver's; the bytes in between are plain
// data. Neither recurses, so depth is limited by memory only.
#pragma once
#include <Python.h>

#include <string>

#include "data/ref.h"

namespace allcores::data {

// `place` names the value in errors ("argument 2", "the result"). Throws python_error.
std::string encode_atoms(PyObject* value, const std::string& place);

// The elements of the tuple `values`, as encode_atoms of the tuple; errors name "argument 1" and so
// on.
std::string encode_arguments(PyObject* values);

// A new object. Throws python_error.
ref decode_atoms(const std::string& encoded);

}  // namespace allcores::data
