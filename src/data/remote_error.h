// An exception on its way from one interpreter to another, as plain data: no Python object in it,
// so it may be made in one, kept anywhere, and raised in another.
#pragma once
#include <Python.h>

#include <string>

namespace allcores::data {

struct remote_error {
    std::string type;       // "ValueError", "json.decoder.JSONDecodeError"
    std::string message;    // str(exception)
    std::string traceback;  // as Python prints it, with a newline at the end
    std::string pickled;  // the exception itself, if it may arrive as what it is and has a pickle;
                          // else empty

    // Takes the exception that is set in the current thread state (there must be one) and clears
    // it. Never fails: what can't be had of it stays empty.
    static remote_error take() noexcept;

    // Sets it in the current thread state: an exception of the same type where it can be had, else
    // allcores.RemoteError, with the remote traceback as its cause.
    void raise() const noexcept;
};

}  // namespace allcores::data
