// One ASGI request: what its `receive` and `send` do. It begins inside handle(), where a response
// that is complete at once goes into the worker's own; whatever takes longer, or comes in parts,
// goes through an exchange. Used on the worker's thread, with the GIL held.
//
// The specification is asgiref's "HTTP & WebSocket ASGI Message Format", spec_version 2.4: send()
// raises OSError once the client has gone.
#pragma once
#include <Python.h>

#include <cstdint>

#include "http/exchange.h"
#include "http/request.h"
#include "http/response.h"
#include "runtime/asgi_client.h"

namespace allcores::runtime {

struct asgi_request : asgi_client {
    // What the worker says about it. A part of the object, because that has no base but PyObject.
    struct ear final : http::exchange::listener {
        asgi_request* request = nullptr;
        void on_input() override;
        void on_room() override;
        void on_gone() override;
    };

    static PyMethodDef receive_method, send_method, done_method;

    const http::request* view;  // while handle() runs
    http::response* response;   // the same, until it is held
    ear listener;
    PyObject* headers;  // of the response, until they are sent; then of its trailer
    std::int64_t declared;
    std::int64_t sent;
    int status;
    bool started;     // http.response.start came
    bool head_sent;   // and was given to the exchange
    bool complete;    // the last part came
    bool gone;        // the client has gone
    bool body_given;  // receive() has said more_body=False
    bool has_trailers;
    bool is_head;

    // The application has ended, without having completed it: answers 500 if nothing was sent
    // yet, else breaks the connection off.
    void end(bool failed);
    // The exchange; from then on this is answered later.
    http::exchange& hold();
};

PyTypeObject* make_asgi_request_type(PyObject* module);
// A new reference; null with an exception set.
asgi_request* new_asgi_request(PyTypeObject* type, asgi_application& home);

}  // namespace allcores::runtime
