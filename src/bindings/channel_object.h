// What the files of the channels' bindings share: the Python object, cases, and how a call waits.
//
// With the GIL of the current interpreter, unless something says otherwise.
#pragma once
#include <Python.h>

#include <memory>
#include <string>
#include <vector>

#include "bindings/channel_priority.h"
#include "concurrency/channel.h"
#include "data/message.h"
#include "data/message_types.h"
#include "data/ref.h"

namespace allcores::bindings {

// An item on its way.
struct parcel {
    data::message message;
    std::unique_ptr<priority> order;  // in a PriorityQueue

    explicit operator bool() const { return static_cast<bool>(message); }
};

using channel_state = concurrency::channel<parcel>;
using channel_node = concurrency::node<parcel>;
using channel_waiter = concurrency::waiter<parcel>;
using concurrency::action;
using concurrency::status;
using moment = concurrency::parker::time_point;

// allcores.Channel. Any number of these, in any interpreters, are one channel.
struct channel_object {
    PyObject_HEAD std::shared_ptr<channel_state> state;
};

inline channel_object* as_channel(PyObject* self) {
    return reinterpret_cast<channel_object*>(self);
}

inline channel_state& state_of(PyObject* self) {
    return *as_channel(self)->state;
}

// What Python calls maxsize: 0 is any number.
inline std::size_t capacity_of(Py_ssize_t maxsize) {
    return maxsize == 0 ? channel_state::unbounded : static_cast<std::size_t>(maxsize);
}

// Of the type, in channel_methods.cpp.
extern PyMethodDef channel_methods[];
PyObject* channel_next(PyObject* self);
PyObject* channel_anext(PyObject* self);

// How they cross: by pointer.
extern const data::pointer_type channel_crossing;

// Of a Channel or a queue, or an object that may be something else. Throws python_error
// (TypeError).
std::shared_ptr<channel_state> channel_of(PyObject* object);

// What select's cases are: channels or queues to pop from, tuples (channel, item) to push. Encodes
// the items. Throws python_error (TypeError, ValueError for none).
struct channel_cases {
    std::vector<std::shared_ptr<channel_state>> channels;  // keeps them
    std::vector<channel_node> nodes;
};
channel_cases parse_cases(PyObject* cases);

// What Python shows of a channel. Throws bad_alloc. Any thread.
std::string text_of(const channel_state& channel);

// Encodes an item for a channel. Throws python_error.
parcel pack(const channel_state& channel, PyObject* item);

// What came of a waiter that has finished: a tuple (index, item or None). Throws python_error.
data::ref result_of(channel_waiter& waiting);

// The time until which a call waits: None for ever. Throws python_error (TypeError, ValueError).
moment deadline_of(PyObject* timeout);

// Waits until one of the cases of a waiter without an alarm has happened, detached unless that is
// at once. Throws python_error, with nothing lost: TimeoutError; what a signal handler raises;
// SystemExit when this interpreter is ending.
void wait_until(channel_waiter& waiting, moment deadline);

// Throws python_error for what came of a case: ChannelClosed, ChannelPoisoned, WouldBlock
// (waiting). `index`, when it is not negative, becomes the exception's.
[[noreturn]] void raise_status(status how, Py_ssize_t index = -1);

// The parts of the module that other files than channel.cpp add.
int add_channel_waiting(PyObject* module);
int add_channel_async(PyObject* module);

}  // namespace allcores::bindings
