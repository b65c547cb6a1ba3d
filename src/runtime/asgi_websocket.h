// One WebSocket of an ASGI application: what its `receive` and `send` do, between the protocol
// (http/websocket.h) and the exchange that has its connection. Used on the worker's thread, with
// the GIL held.
//
// Messages that nobody receives wait, a few of them; then the client has to. A client that is
// silent gets a ping, and is gone if it does not answer that.
#pragma once
#include <Python.h>

#include <deque>

#include "http/exchange.h"
#include "http/websocket.h"
#include "http/websocket_handshake.h"
#include "runtime/asgi_client.h"

namespace allcores::runtime {

// Times in milliseconds; 0: never.
struct websocket_settings {
    http::websocket_options protocol;
    std::size_t max_queue = 32;  // messages that wait for receive()
    std::uint64_t ping_interval_ms = 20'000;
    std::uint64_t ping_timeout_ms = 20'000;
    std::uint64_t close_timeout_ms = 10'000;
};

struct asgi_websocket : asgi_client {
    // The C++ part of the object.
    struct ear final : http::exchange::listener, http::websocket::sink {
        explicit ear(const http::websocket_handshake& asked) : handshake(asked) {}
        void on_input() override;
        void on_room() override;
        void on_gone() override;
        void on_drain() override;
        bool on_timeout() override;
        bool on_text(std::string_view text) override;
        bool on_binary(std::string_view bytes) override;
        void on_pong(std::string_view payload) override;
        void on_close(std::uint16_t code, std::string_view reason, bool by_client) override;

        asgi_websocket* self = nullptr;
        http::websocket_handshake handshake;
        std::unique_ptr<http::websocket> protocol;  // from the accept on
        std::deque<PyObject*> queue;                // messages for receive(), owned
    };

    static PyMethodDef receive_method, send_method, done_method;

    ear* cpp;
    bool connect_given;  // receive() has said websocket.connect
    bool accepted;
    bool refused;  // it is answered with a response
    bool closed;   // nothing can be sent
    bool disconnect_given;
    bool stopped;  // the protocol has more for us than the queue takes
    bool waits_for_pong;
    bool heard;  // something came since the last look

    // The application has ended; whether by an exception.
    void end(bool failed);
};

PyTypeObject* make_asgi_websocket_type(PyObject* module);
// A new reference; null with an exception set.
asgi_websocket* new_asgi_websocket(PyTypeObject* type, asgi_application& home,
                                   const http::websocket_handshake& handshake);

}  // namespace allcores::runtime
