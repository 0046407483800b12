# Records are made as text, parsed with regular expressions, grouped and sorted.
use strict;
use warnings;

my $count = shift;
my $seed = 101;
sub below { $seed = ($seed * 1103515245 + 12345) % 2147483648; return int($seed / 65536) % $_[0] }

my $text = '';
$text .= sprintf("%s;%d;%s\n", join('.', map { below(40) } 1 .. 3), below(100000), 'x' x below(60)) for 1 .. $count;
my (%groups, %lengths);
while ($text =~ /^([\d.]+);(\d+);(x*)$/gm) {
    push @{ $groups{$1} }, { number => $2, note => $3 };
    $lengths{ length $3 }++;
}
my $sum = 0;
for my $key (sort { @{ $groups{$b} } <=> @{ $groups{$a} } || $a cmp $b } keys %groups) {
    my @notes = sort map { $_->{note} . $_->{number} } @{ $groups{$key} };
    (my $joined = join ',', @notes) =~ s/x{3}/y/g;
    $sum = ($sum * 31 + length $joined) % 1000003;
}
print "$sum ", scalar(keys %groups), " ", scalar(keys %lengths), "\n";
