// The server that the conformance cases are run against without Python: says which port it took,
// and answers each request with what it understood of it, as JSON. Ends when its standard input
// does.
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/server.h"
#include "http/uri.h"

namespace {

namespace http = allcores::http;

// Each byte as the character of that number, so that Python can have the bytes back (latin-1).
void append_text(std::string& json, std::string_view text) {
    json.push_back('"');
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
            json.push_back(c);
        } else {
            json.append("\\u00");
            json.push_back("0123456789abcdef"[byte >> 4]);
            json.push_back("0123456789abcdef"[byte & 15]);
        }
    }
    json.push_back('"');
}

class echo final : public http::application {
 public:
    void handle(const http::request& request, http::response& response) override {
        json_ = "{\"method\":";
        append_text(json_, request.method);
        json_ += ",\"path\":";
        std::string path(request.path);
        http::decode_path(request.path, path);
        append_text(json_, path);
        json_ += ",\"query\":";
        append_text(json_, request.query);
        json_ += ",\"body\":";
        append_text(json_, request.body);
        json_ += ",\"fields\":[";
        for (const http::field& field : request.headers) {
            json_ += json_.back() == '[' ? "[" : ",[";
            append_text(json_, field.name);
            json_.push_back(',');
            append_text(json_, field.value);
            json_.push_back(']');
        }
        json_ += "]}";
        response.content_type("application/json");
        response.body(json_);
    }

 private:
    std::string json_;
};

}  // namespace

int main() {
    constexpr unsigned workers = 2;
    http::server server({.port = 0, .workers = workers});
    server.listen();
    std::printf("%d\n", server.addresses().front().port());
    std::fflush(stdout);
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < workers; ++i) {
        threads.emplace_back([&server, i] {
            echo application;
            server.run(application, i);
        });
    }
    while (std::getchar() != EOF) {
    }
    server.stop(std::chrono::seconds(1));
}
