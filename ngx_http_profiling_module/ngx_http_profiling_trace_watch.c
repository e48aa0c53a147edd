
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_profiling_trace_watch.h"


ngx_http_profiling_watch_t  ngx_http_profiling_watch;
