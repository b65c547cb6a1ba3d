// The server that the conformance cases are run against without Python: http_semantics_echo FOLDER.
// Says which port it took; answers /file/NAME and /part/NAME with that file of the folder or the
// bytes from 100 to 199 of it, and anything else with what it understood of the request, as JSON.
// Ends when its standard input does.
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/file_plan.h"
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
    explicit echo(std::string folder) : folder_(std::move(folder)) {}

    void handle(const http::request& request, http::response& response) override {
        for (std::string_view place : {"/file/", "/part/"}) {
            if (request.path.starts_with(place)) {
                answer_file(request, response, place == "/part/");
                return;
            }
        }
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
    void answer_file(const http::request& request, http::response& response, bool part) {
        http::request_conditions conditions;
        for (const http::field& each : request.headers) conditions.add(each.name, each.value);
        http::file_options options{.content_type = "text/plain; charset=utf-8"};
        if (part) {
            options.offset = 100;
            options.length = 100;
        }
        const std::string path = folder_ + "/" + std::string(request.path.substr(6));
        auto plan = http::regular_file::open(path).and_then([&](http::regular_file&& file) {
            return http::file_plan::make(std::move(file), options, request.method, conditions);
        });
        if (plan) {
            response.file(std::move(*plan));
        } else {
            response.status(http::status_of(plan.error()));
        }
    }

    const std::string folder_;
    std::string json_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    constexpr unsigned workers = 2;
    http::server server({.port = 0, .workers = workers});
    server.listen();
    std::printf("%d\n", server.addresses().front().port());
    std::fflush(stdout);
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < workers; ++i) {
        threads.emplace_back([&, i] {
            echo application(arguments[1]);
            server.run(application, i);
        });
    }
    while (std::getchar() != EOF) {
    }
    server.stop(std::chrono::seconds(1));
}
