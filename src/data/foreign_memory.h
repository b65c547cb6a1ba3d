// Memory that an interpreter reads without owning it: a buffer that another interpreter's object
// exports and that is pinned as long as anybody looks at it, or a block that was taken out of an
// object and belongs to whoever has this.
//
// The state crosses between interpreters by pointer, and may be dropped by any thread, with a GIL
// or without one. What must be given back to an object is given back in the object's interpreter:
// at once where the thread is in it, else as a job of its thread, for the main interpreter as a
// pending call. If it has ended by then, the object's memory stays for ever: it can't be freed
// without it, and until then it was read.
#pragma once
#include <Python.h>

#include <memory>
#include <string>
#include <vector>

#include "data/message_types.h"
#include "data/ref.h"

namespace allcores::data {

// Keeps memory until it is destroyed, which may be anywhere.
class memory_source {
 public:
    virtual ~memory_source() = default;
};

// C-contiguous.
struct foreign_memory {
    std::shared_ptr<memory_source> source;
    void* data = nullptr;
    Py_ssize_t bytes = 0;
    Py_ssize_t item_bytes = 1;
    bool readonly = true;
    // Frozen: nobody ever writes it. From a memoryview (m), an array.array (a), something else (b);
    // 0: it is not.
    char frozen_from = 0;
    std::string format = "B";
    std::vector<Py_ssize_t> shape = {}, strides = {};
};

// Pins an object's buffer, in the object's interpreter and with its GIL. Throws python_error:
// TypeError for what has no buffer, BufferError for one that is not contiguous, or not writable
// when it should be.
std::shared_ptr<foreign_memory> pin_buffer(PyObject* object, bool writable);

// A NumPy array whose memory has been taken, and what it was.
struct taken_array {
    ref array;
    std::shared_ptr<foreign_memory> memory;
    std::vector<Py_ssize_t> shape;
};

// Takes the memory of a NumPy array that owns it, which must have no more than `references`, so
// that nobody has a view of it; it is empty then. `memory` is null, and nothing has changed, where
// that can't be done.
taken_array take_numpy_memory(PyObject* array, Py_ssize_t references);

// And gives it back.
void return_numpy_memory(taken_array& taken) noexcept;

// An object of the current interpreter that exports the memory: a new reference, or throws
// python_error. bindings/view.cpp has its class, and what follows.
PyObject* make_view(std::shared_ptr<foreign_memory> state);

// The frozen memory that a memoryview, a NumPy array or such an object is over; null for all else.
std::shared_ptr<foreign_memory> frozen_memory_of(PyObject* object);

// How such an object crosses; the receiver gets a memoryview.
extern const pointer_type viewing;

// A copy of a buffer in frozen memory, C-contiguous. Throws python_error, std::bad_alloc.
std::shared_ptr<foreign_memory> freeze_buffer(PyObject* object, char from);

// What a memoryview over frozen memory shows, if that is in one piece; else null.
std::shared_ptr<foreign_memory> frozen_view_of(PyObject* view);

// From its shape.
void set_c_strides(foreign_memory& memory);

// Whether an object is a NumPy array, and no derived class.
bool is_numpy_array(PyObject* object);

// Of one: where its first element is, and the object that has the memory of the array that it is a
// view of, or null; borrowed.
const char* numpy_data(PyObject* array);
PyObject* numpy_owner(PyObject* array);

}  // namespace allcores::data
