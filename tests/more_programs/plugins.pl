use strict;
use warnings;
use DynaLoader;

my %text;
for my $round (1 .. 200) {
    my $library = DynaLoader::dl_load_file("$ENV{PWD}/plugin.so", 0) or die DynaLoader::dl_error();
    my $boot = DynaLoader::dl_find_symbol($library, "boot") or die "no symbol";
    DynaLoader::dl_install_xsub("Plugin::boot$round", $boot);
    { no strict 'refs'; "Plugin::boot$round"->() if $round % 2; }
    $text{$_ % 97} .= "$round " for 1 .. 100;
    DynaLoader::dl_unload_file($library) or die "not unloaded";
}
open my $maps, '<', '/proc/self/maps' or die;
print "left: ", scalar(grep { /plugin\.so/ } <$maps>), "\n";
print join(',', map { length $text{$_} } sort keys %text), "\n";
