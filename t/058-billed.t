#!/usr/bin/perl

# Slow requests where what all requests cost is measured, too: all that is true
# where they are watched only.

use strict;
use warnings;

use FindBin;

our $also = 'profiling_expensive cpu=1h;';

do "$FindBin::Bin/058-slow.t" or die $@ || $!;
