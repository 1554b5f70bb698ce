// The connection that a request came by. cpp-httplib does not hand it out; it is the one socket of this process whose
// ends are those that the request names.
#pragma once
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <httplib.h>
#include <cerrno>
#include <string>

namespace tool::serve {

class Connection {
 public:
  /// For as long as the request is being answered.
  explicit Connection(httplib::Request const& request) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    const int most = files.rlim_cur < 65536 ? static_cast<int>(files.rlim_cur) : 65536;
    for (int fd = 0; fd < most && socket_ < 0; ++fd)
      if (is(::getpeername, fd, request.remote_addr, request.remote_port) &&
          is(::getsockname, fd, request.local_addr, request.local_port))
        socket_ = fd;
  }

  /// Is the client still there? One that has said that it sends no more counts as gone.
  bool alive() const {
    char byte = 0;
    if (socket_ < 0) return true;
    const auto n = ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  }
  /// Reads nothing more from it, so that the rest of a body is not taken for the next request.
  void close_after_answer() const {
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RD);
  }

 private:
  template <class F> static bool is(F end, int fd, std::string const& address, int port) {
    sockaddr_storage at{};
    socklen_t size = sizeof at;
    char host[NI_MAXHOST], service[NI_MAXSERV];
    return end(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0 &&
           (at.ss_family == AF_INET || at.ss_family == AF_INET6) &&
           ::getnameinfo(reinterpret_cast<sockaddr*>(&at), size, host, sizeof host, service, sizeof service,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0 &&
           service == std::to_string(port) && host == address;
  }
  int socket_ = -1;
};

}  // namespace tool::serve
