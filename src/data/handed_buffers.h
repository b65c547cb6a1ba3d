// Large buffers of mutable objects on their way between interpreters: the buffer of a bytearray or
// an array.array is taken out of the sender's object, which is left empty, and put into a new one
// in the receiver. See handed_memory.h for how memory changes hands.
//
// With a GIL. For src/data only.
#pragma once
#include "data/message_body.h"

namespace allcores::data {

// Whether the buffer can be taken: nobody has a view of it.
bool can_take_bytearray(PyObject* object);
bool can_take_array(PyObject* object);

// Fill in the block (for an array, its typecode and its content's bytes are in it already). The
// object is empty then.
void take_bytearray(PyObject* object, handed_block& block);
void take_array(PyObject* object, handed_block& block);

// A copy that the receiver need not copy again. Throws std::bad_alloc.
void copy_bytearray(PyObject* object, handed_block& block);
void copy_array(PyObject* object, handed_block& block);

// New objects that have the block's memory, which is null then; or, with `copies`, a copy of it,
// and then the block is only read. Throw python_error.
PyObject* make_bytearray(handed_block& block, bool copies);
PyObject* make_array(PyTypeObject* array_type, handed_block& block, bool copies);

// An array without items. Throws python_error.
ref make_empty_array(PyObject* array_type, char typecode);

// Whether array.array of this interpreter is laid out as is known here.
bool knows_arrays(PyTypeObject* array_type);

}  // namespace allcores::data
