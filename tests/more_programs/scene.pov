#version 3.7;
global_settings { assumed_gamma 1.0 }
camera { location <0, 2, -5> look_at 0 }
light_source { <5, 5, -5> rgb 1 }
#declare R = seed(7);
#declare I = 0;
#while (I < 200)
    sphere { <rand(R) * 4 - 2, rand(R) * 3 - 1.5, rand(R) * 4>, 0.15
        texture { pigment { rgb <rand(R), rand(R), rand(R)> } finish { reflection 0.2 } } }
    #declare I = I + 1;
#end
plane { y, -2 pigment { checker rgb 0.1 rgb 0.9 } }
