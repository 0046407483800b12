# Orders are made, grouped, changed, and written as text that is parsed again.
Order = Struct.new(:id, :customer, :lines)

count = ARGV[0].to_i
random = Random.new(103)
orders = (1..count).map do |id|
  lines = Array.new(random.rand(5)) { { item: "item #{random.rand(500)}", price: random.rand(1000) } }
  Order.new(id, "customer #{random.rand(count / 10)}", lines)
end
by_customer = orders.group_by(&:customer)
text = by_customer.sort.map do |customer, list|
  "#{customer}: " + list.flat_map { |order| order.lines.map { |line| "#{line[:item]}=#{line[:price]}" } }.join(", ")
end.join("\n")
back = text.each_line.to_h do |line|
  customer, items = line.chomp.split(": ", 2)
  [customer.to_sym, (items || "").split(", ").map { |item| item.split("=") }]
end
best = back.transform_values { |items| items.sum { |_, price| price.to_i } }.max_by { |name, sum| [sum, name] }
puts "#{text.size} #{back.size} #{best.join(' ')}"
