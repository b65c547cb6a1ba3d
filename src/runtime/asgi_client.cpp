#include "runtime/asgi_client.h"

#include <utility>

#include "runtime/asgi_application.h"

namespace allcores::runtime {

void enter_list(asgi_client* self, asgi_application& home) {
    self->home = &home;
    self->next = home.clients;
    if (self->next != nullptr) self->next->previous = self;
    home.clients = self;
}

void leave_list(asgi_client* self) {
    if (self->exchange != nullptr) std::exchange(self->exchange, nullptr)->abort();
    if (self->home == nullptr) return;
    (self->previous != nullptr ? self->previous->next : self->home->clients) = self->next;
    if (self->next != nullptr) self->next->previous = self->previous;
}

void disband_list(asgi_client* first) {
    for (asgi_client* each = first; each != nullptr; each = each->next) {
        each->home = nullptr;
        each->exchange = nullptr;
    }
}

int visit_client(asgi_client* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->scope);
    Py_VISIT(self->task);
    Py_VISIT(self->receiver);
    Py_VISIT(self->sender);
    return 0;
}

void clear_client(asgi_client* self) {
    Py_CLEAR(self->scope);
    Py_CLEAR(self->task);
    Py_CLEAR(self->receiver);
    Py_CLEAR(self->sender);
}

}  // namespace allcores::runtime
