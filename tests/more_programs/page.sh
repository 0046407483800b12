# A long table for a text browser.
set -eu
{
    echo '<html><table border=1>'
    for i in $(seq 400); do echo "<tr><td>row $i<td><b>text</b> &amp; <a href=x$i>link $i</a></tr>"; done
    echo '</table><p>The end</html>'
} > page.html
w3m -dump -T text/html page.html
