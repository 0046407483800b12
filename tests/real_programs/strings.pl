# Many strings, hashes of lists, sorting, patterns and string growth.
use strict;
use warnings;

my $state = 12345;
sub draw { $state = ($state * 1103515245 + 12345) % 2147483648; return $state >> 8; }

my %lists;
for my $count (1 .. 60000) {
    my $word = join '', map { chr(97 + draw() % 26) } 1 .. 3 + draw() % 12;
    push @{ $lists{ substr $word, 0, 2 } }, $word;
}
my $sum = 0;
for my $key (sort keys %lists) {
    my @sorted = sort { length $a <=> length $b or $a cmp $b } @{ $lists{$key} };
    $sum = ($sum * 31 + length(join ',', @sorted)) % 1000003;
    delete $lists{$key} if draw() % 2;
}
print scalar(keys %lists), " $sum\n";

my $text = '';
$text .= "line $_ of many\n" x (1 + $_ % 3) for 1 .. 20000;
my $found = () = $text =~ /^line \d*7 of (m\w+)$/mg;
(my $other = $text) =~ s/(\d+)/<$1>/g;
print length($text), ' ', $found, ' ', length($other), "\n";

my @matrix = map { [ map { draw() % 100 } 1 .. 200 ] } 1 .. 200;
my $trace = 0;
$trace += $matrix[$_][$_] for 0 .. 199;
@matrix = sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @matrix;
print "$trace $matrix[0][0] $matrix[199][0]\n";

# A child works on what its parent had allocated.
my $child = open(my $from, '-|') // die "fork: $!";
if (!$child) {
    my @words = map { @$_ } @lists{ sort keys %lists };
    print scalar(@words), "\n";
    exit 0;
}
print while <$from>;
close $from or die "child: $?";
