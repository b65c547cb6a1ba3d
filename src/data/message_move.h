// allcores.move: what the sender still holds is handed over. See message_encode_moved.cpp.
//
// With the GIL of the object's interpreter.
#pragma once
#include <Python.h>

#include "data/message_types.h"

namespace allcores::data {

struct move_object {
    PyObject_HEAD PyObject* held;  // null: it has gone
    bool strict;
};

// By which the codec knows the class (it is registered with cross_by_pointer); never called.
extern const pointer_type moving;

}  // namespace allcores::data
