
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_trace_watch.h"


ngx_prof_watch_t  ngx_prof_watch;
