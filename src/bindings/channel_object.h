// What the files of the channels' bindings share: the Python object, cases, and how a call waits.
//
// With the GIL of the current interpreter, unless something says otherwise.
#pragma once
#include <Python.h>

#include <memory>
#include <vector>

#include "concurrency/channel.h"
#include "data/message.h"
#include "data/message_types.h"

namespace allcores::bindings {

using channel_state = concurrency::channel<data::message>;
using channel_node = concurrency::node<data::message>;
using channel_waiter = concurrency::waiter<data::message>;
using concurrency::action;
using concurrency::status;
using moment = concurrency::parker::time_point;

// allcores.Channel. Any number of these, in any interpreters, are one channel.
struct channel_object {
    PyObject_HEAD std::shared_ptr<channel_state> state;
};

// How they cross: by pointer.
extern const data::pointer_type channel_crossing;

// Of an object that may be something else. Throws python_error (TypeError).
const std::shared_ptr<channel_state>& channel_of(PyObject* object);

// What select's cases are: channels to pop from, tuples (channel, item) to push. Encodes the items.
// Throws python_error (TypeError, ValueError for none).
struct channel_cases {
    std::vector<std::shared_ptr<channel_state>> channels;  // keeps them
    std::vector<channel_node> nodes;
};
channel_cases parse_cases(PyObject* cases);

// The time until which a call waits: None for ever. Throws python_error (TypeError, ValueError).
moment deadline_of(PyObject* timeout);

// Waits, detached, until one of the waiter's cases has happened. Throws python_error, with nothing
// lost: TimeoutError; what a signal handler raises; SystemExit when this interpreter is ending.
void wait_until(channel_waiter& waiting, moment deadline);

// Throws python_error for what came of a case: ChannelClosed, ChannelPoisoned, WouldBlock
// (waiting). `index`, when it is not negative, becomes the exception's.
[[noreturn]] void raise_status(status how, Py_ssize_t index = -1);

// The parts of the module that other files than channel.cpp add.
int add_channel_waiting(PyObject* module);

}  // namespace allcores::bindings
